"""RFC 7662 and the phantom token, answered with the one statement of the view."""

import json
from datetime import UTC, datetime
from typing import Final

from psycopg.pq import Format

from ims import keyring
from ims.endpoints.introspect import live_as_long_as, select_resources
from ims.introspected import IntrospectedToken, VisibleResource
from ims.queries import introspection
from ims.services.introspect_as_document import introspect_as_document
from ims.services.introspect_as_jwt import introspect_as_jwt
from ims.short_way.answer import Answer, Header
from ims.short_way.connection import Statement
from ims.short_way.pipeline import Pipeline, read_row
from ims.short_way.plain_request import PlainRequest
from wire import bearer
from wire.introspection import JSON_MEDIA_TYPE, PHANTOM_JWT_MEDIA_TYPE, RESOURCE_PARAMETER

PARAMETERS: Final = frozenset(
    {"token", "token_type_hint", RESOURCE_PARAMETER, "client_id", "client_secret"}
)
INTROSPECT: Final = Statement(
    "tollgate_introspect",
    introspection.STATEMENT
    % {
        "client_id": "$1",
        "secret_digest": "$2",
        "token_digest": "$3",
        "now": "$4::timestamptz",
        "is_proven": "FALSE",
    },
    (Format.TEXT, Format.BINARY, Format.BINARY, Format.TEXT),
)
_JSON: Final = JSON_MEDIA_TYPE.encode()
_JWT: Final = PHANTOM_JWT_MEDIA_TYPE.encode()
# RFC 9110 §12.5.1: what says nothing gets JSON.
_FORMS: Final = {b"": _JSON, b"*/*": _JSON, _JSON: _JSON, _JWT: _JWT}
_VARY: Final[Header] = (b"Vary", b"Accept")
_NOBODY: Final[Header] = (b"Content-Type", b"text/html; charset=utf-8")  # Django says so of nothing


class Introspection:
    """Answers resource servers about access tokens."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    async def answer(self, request: PlainRequest) -> Answer | None:
        """Return what the caller may know, or None: the view is to find out why.

        Runs one statement. Raises PipelineLost.
        """
        media_type = _FORMS.get(request.headers.get(b"accept", b""))
        token = request.form.get("token", "")
        presented = request.read_credentials()
        if media_type is None or presented is None:
            return None
        if not bearer.is_well_formed(token, bearer.Prefix.ACCESS_TOKEN):
            return None
        result = await self._pipeline.ask(
            INTROSPECT,
            (
                presented.client_id.encode(),
                presented.secret_digest,
                bearer.digest(token),
                datetime.now(UTC).isoformat().encode(),
            ),
        )
        row = read_row(result)
        if row is None:
            return None
        found = introspection.read_introspection(presented.client_id, row)
        if found.caller.token_endpoint_auth_method != presented.method:
            return None
        wanted = request.form.get(RESOURCE_PARAMETER) or None
        resources = tuple(select_resources(found.token, wanted))
        if media_type == _JWT:
            return _answer_jwt(found.token, resources)
        return _answer_json(found.token, resources)


def _answer_json(
    token: IntrospectedToken | None, resources: tuple[VisibleResource, ...]
) -> Answer | None:
    seen = token if resources else None
    document = introspect_as_document(token=seen, resources=resources)
    return _answer(_JSON, seen, json.dumps(document))


def _answer_jwt(
    token: IntrospectedToken | None, resources: tuple[VisibleResource, ...]
) -> Answer | None:
    if token is None or not resources:
        return Answer(204, (_NOBODY, _VARY, _live(None)), b"")
    [resource, *others] = resources
    if others or resource.jwt_encryption_alg or not keyring.is_ready(resource.jwt_signing_alg):
        return None
    return _answer(_JWT, token, introspect_as_jwt(token=token, resource=resource))


def _answer(media_type: bytes, token: IntrospectedToken | None, body: str) -> Answer:
    return Answer(200, ((b"Content-Type", media_type), _VARY, _live(token)), body.encode())


def _live(token: IntrospectedToken | None) -> Header:
    return (b"Cache-Control", live_as_long_as(token).encode())
