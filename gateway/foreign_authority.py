"""Another vendor's token service: introspection in any of the forms that the standards know.

`application/jwt` is a JWT for the API, as ours makes it. The others say what a token is worth, in
JSON (RFC 7662) or in a JWT for us (RFC 9701), and the gateway makes the API's JWT of it. Signatures
of answers are not checked: they come over our own authenticated connection, as ours do.
"""

import base64
import binascii
import json
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from gateway.config import IntrospectionSettings
from gateway.dataplane.guarded_authority import AuthorityFailed, AuthorityRefusedUs, Introspection
from gateway.dataplane.minted_jwt import read_introspection_document
from gateway.dataplane.phantom_token import NonsenseAnswer
from gateway.issuer_metadata import MetadataUnusable, is_fetchable, read_metadata
from gateway.origin_client import Answer, OriginClient, OriginUnreachable
from wire.introspection import (
    INTROSPECTION_JWT_MEDIA_TYPE,
    JSON_MEDIA_TYPE,
    PHANTOM_JWT_MEDIA_TYPE,
    RESOURCE_PARAMETER,
    basic_credentials,
    read_max_age,
)

# Whether the answer is JSON or a JWT makes no difference here; some services insist on one.
_ACCEPT: Final = {
    "json": f"{PHANTOM_JWT_MEDIA_TYPE}, {JSON_MEDIA_TYPE};q=0.8",
    "jwt": f"{PHANTOM_JWT_MEDIA_TYPE}, {INTROSPECTION_JWT_MEDIA_TYPE};q=0.8",
}
_FORM: Final = (b"content-type", b"application/x-www-form-urlencoded")
_PATIENCE_SECONDS: Final = 3.0
_MOST_SECONDS: Final = 6.0
_DISCOVERY_LIFETIME_SECONDS: Final = 300.0
_MOST_BYTES: Final = 1024 * 1024


class ForeignAuthority:
    """Asks a token service that is not ours; every failure is an AuthorityFailed."""

    def __init__(self, settings: IntrospectionSettings) -> None:
        self._settings = settings
        credentials = basic_credentials(settings.client_id, settings.client_secret)
        self._headers = [
            (b"authorization", credentials),
            (b"accept", _ACCEPT[settings.form].encode()),
            _FORM,
        ]
        self._client = OriginClient(
            ca_pem=settings.ca_pem,
            patience_seconds=_PATIENCE_SECONDS,
            most_seconds=_MOST_SECONDS,
            most_bytes=_MOST_BYTES,
        )
        self._url = settings.url
        self._url_until = float("inf") if settings.url else 0.0

    async def introspect(self, token: bytes, resource: str) -> Introspection | None:
        """Return what the token is worth for `resource`; None when it is not active."""
        url = await self._find_endpoint()
        body = b"token=%b&token_type_hint=access_token&%b=%b" % (
            quote(token, safe="").encode(),
            RESOURCE_PARAMETER.encode(),
            quote(resource, safe="").encode(),
        )
        try:
            answer = await self._client.request(b"POST", url, self._headers, body)
        except OriginUnreachable as error:
            raise AuthorityFailed(str(error)) from error
        _check_status(answer)
        if answer.status == 204:
            return None
        return self._read(answer)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _find_endpoint(self) -> str:
        if self._url and time.monotonic() < self._url_until:
            return self._url
        try:
            metadata = await read_metadata(self._client, self._settings.issuer)
            self._url = read_endpoint(metadata, self._settings.issuer)
        except (MetadataUnusable, OriginUnreachable) as error:
            if not self._url:
                raise AuthorityFailed(str(error)) from error
        self._url_until = time.monotonic() + _DISCOVERY_LIFETIME_SECONDS
        return self._url

    def _read(self, answer: Answer) -> Introspection | None:
        media_type = answer.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        max_age = self._settings.max_age_seconds
        if max_age is None:
            max_age = read_max_age(answer.headers.get(b"cache-control", b""))
        if media_type == PHANTOM_JWT_MEDIA_TYPE.encode():
            return Introspection(answer.body.strip(), max_age)
        if media_type == INTROSPECTION_JWT_MEDIA_TYPE.encode():
            document = self._open_envelope(answer.body.strip())
        elif media_type == JSON_MEDIA_TYPE.encode():
            document = _parse(answer.body)
        else:
            raise NonsenseAnswer("introspection: the answer has no form that is known.")
        claims = read_introspection_document(document)
        return None if claims is None else Introspection(b"", max_age, claims)

    def _open_envelope(self, body: bytes) -> object:
        """RFC 9701 §5: the answer for us alone, in a JWT of the token service."""
        parts = body.split(b".")
        if len(parts) != 3:
            raise NonsenseAnswer("introspection: the JWT is no JWS; encrypted answers are not read")
        try:
            envelope = _parse(base64.urlsafe_b64decode(parts[1] + b"=" * (-len(parts[1]) % 4)))
        except binascii.Error as error:
            raise NonsenseAnswer("introspection: the JWT is no base64url.") from error
        if not isinstance(envelope, Mapping) or envelope.get("iss") != self._settings.issuer:
            raise NonsenseAnswer("introspection: the JWT is of another issuer.")
        audience = envelope.get("aud")
        if self._settings.client_id not in (audience if isinstance(audience, list) else [audience]):
            raise NonsenseAnswer("introspection: the JWT is for somebody else.")
        return envelope.get("token_introspection")


def read_endpoint(metadata: Mapping[str, Any], issuer: str) -> str:
    """Return where `issuer` is asked. Raises MetadataUnusable.

    Never in plain where the issuer is not: tokens and our secret go there.
    """
    url = metadata.get("introspection_endpoint")
    if not isinstance(url, str):
        raise MetadataUnusable("discovery: introspection_endpoint is missing.")
    if issuer.startswith("https:") and not is_fetchable(url):
        raise MetadataUnusable("discovery: introspection_endpoint: an https URL is needed.")
    return url


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NonsenseAnswer("introspection: the answer is no JSON.") from error


def _check_status(answer: Answer) -> None:
    if answer.status in {401, 403} or (
        answer.status == 400 and b"invalid_client" in answer.body[:1000]
    ):
        raise AuthorityRefusedUs(f"The token service refused our credentials: {answer.status}.")
    if answer.status not in {200, 204}:
        raise AuthorityFailed(f"The token service answered {answer.status}.")
