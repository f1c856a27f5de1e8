"""RFC 6749 §4.4: client credentials, answered with one statement.

What a client gets for a form hangs on its registration and on the registry of resources, which
change seldom. So it is decided once and remembered together with what it was decided from; the
statement that stores the token looks whether all of that is still so, and stores nothing if not.
It authenticates the client as well, each time.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from psycopg.pq import Format

from ims import conf
from ims.audit.events import Event, Outcome
from ims.endpoints.client_authentication import PresentedCredentials
from ims.endpoints.endpoint import EXPOSED_HEADERS
from ims.models import Client
from ims.queries import access
from ims.services import lock_client_tokens, record_audit_event
from ims.services.issue_grant_tokens import TokenSet
from ims.short_way.answer import Answer
from ims.short_way.connection import Statement
from ims.short_way.pipeline import Pipeline, read_row
from ims.short_way.plain_request import PlainRequest
from wire import bearer
from wire.oauth_errors import OAuthError
from wire.uuid7 import uuid7

PARAMETERS: Final = frozenset({"grant_type", "scope", "resource", "client_id", "client_secret"})
GRANT_TYPE: Final = "client_credentials"
# Client, scope and resource, as asked for.
Key = tuple[str, str, str]
_MOST_REMEMBERED: Final = 1024
# Of scope and resource together; who asks for more is answered no worse, only later.
_LONGEST_REMEMBERED: Final = 2048
_PLACE: Final = "@" * 16  # where the token, or its name in the log, goes

# RFC 6749 §5.1, and Fetch §3.2: as the view has them.
_HEADERS: Final = (
    (b"Content-Type", b"application/json"),
    (b"Cache-Control", b"no-store"),
    (b"Pragma", b"no-cache"),
    (b"Access-Control-Allow-Origin", b"*"),
    (b"Access-Control-Expose-Headers", EXPOSED_HEADERS.encode()),
)

_OFFERS: Final = """
ARRAY(SELECT scope.name || ' ' || registered.resource
        FROM ims_resourcescope AS scope
        JOIN ims_protectedresource AS registered ON registered.id = scope.protected_resource_id
       WHERE scope.name = ANY({names}) ORDER BY 1)
"""
LOOK_UP: Final = Statement(
    "tollgate_look_up",
    f"""
SELECT id, scopes, {
        _OFFERS.format(
            names="CASE WHEN cardinality($2::varchar[]) > 0 THEN $2::varchar[] ELSE scopes END"
        )
    }
  FROM ims_client AS client WHERE client_id = $1 AND disabled_at IS NULL
""",  # noqa: S608 - our own text
    (Format.TEXT, Format.TEXT),
)
# The lock is never waited for: who revokes may hold it for long, and others are behind in the
# pipeline. What is tried and not held is for the view, which waits.
ISSUE: Final = Statement(
    "tollgate_issue",
    f"""
WITH client AS MATERIALIZED (
     SELECT id FROM ims_client
      WHERE id = $1::bigint AND disabled_at IS NULL AND token_endpoint_auth_method = $2
        AND '{GRANT_TYPE}' = ANY(grant_types) AND scopes = $3::varchar[]
        AND NOT metadata @> '{{"dpop_bound_access_tokens": true}}'
        AND EXISTS (SELECT FROM ims_clientsecret AS secret
                     WHERE secret.client_id = ims_client.id AND secret.digest = $4
                       AND (secret.expires_at IS NULL OR secret.expires_at > $5::timestamptz))
        AND {_OFFERS.format(names="$6::varchar[]")} = $7::text[]),
held AS MATERIALIZED (
     SELECT id FROM client WHERE pg_try_advisory_xact_lock_shared(
            {lock_client_tokens.CLASS}, (id & {lock_client_tokens.KEYS})::int)),
audit AS (
     INSERT INTO ims_auditevent ({record_audit_event.COLUMNS})
     SELECT '{Event.TOKEN_ISSUED.value}', '{Outcome.SUCCESS.value}', '', $8, '', '', $9::inet, $10,
            $11, $12::jsonb FROM held)
INSERT INTO ims_accesstoken (digest, id, client_id, scopes, resources, dpop_jkt, issued_at,
                             expires_at)
SELECT $13, $14::uuid, id, $15::varchar[], $16::varchar[], '', $5::timestamptz,
       $5::timestamptz + interval '{conf.ACCESS_TOKEN_TTL_SECONDS} s' FROM held
""",  # noqa: S608 - our own text
    tuple(Format.BINARY if number in (4, 13, 14) else Format.TEXT for number in range(1, 17)),
)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a client gets for a form, with the values that it was decided from."""

    client: bytes
    registered: bytes
    names: bytes
    offers: bytes
    scopes: bytes
    resources: bytes
    # JSON around the token, and around its name in the audit log.
    document: tuple[str, str]
    detail: tuple[str, str]


class ClientTokens:
    """Issues access tokens to clients for themselves."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._decisions: dict[Key, Decision] = {}

    async def answer(self, request: PlainRequest) -> Answer | None:
        """Return the token response, or None: the view is to find out why.

        Runs one statement, two where nothing is remembered. Raises PipelineLost.
        """
        form = request.form
        if form.get("grant_type") != GRANT_TYPE or b"dpop" in request.headers:
            return None
        presented = request.read_credentials()
        if presented is None:
            return None
        scope, resource = form.get("scope", ""), form.get("resource", "")
        key = (presented.client_id, scope, resource)
        remembered = self._decisions.get(key)
        decision = remembered or await self._decide(key)
        if decision is None:
            return None
        token = bearer.mint(bearer.Prefix.ACCESS_TOKEN)
        values = _list_values(request, presented, decision, bearer.digest(token))
        result = await self._pipeline.ask(ISSUE, values)
        if result.command_tuples != 1:
            self._decisions.pop(key, None)
            return None
        if remembered is None:
            self._remember(key, decision)
        before, after = decision.document
        return Answer(200, _HEADERS, f"{before}{token}{after}".encode("ascii"))

    async def _decide(self, key: Key) -> Decision | None:
        client_id, scope, resource = key
        scopes, resources = scope.split(), [resource] if resource else []
        row = read_row(await self._pipeline.ask(LOOK_UP, (client_id.encode(), _as_array(scopes))))
        if row is None:
            return None
        client = Client(pk=row[0], client_id=client_id, scopes=row[1])
        try:
            return _decide(client, scopes, resources, row[2])
        except OAuthError:
            return None

    def _remember(self, key: Key, decision: Decision) -> None:
        """Keep what an authenticated client has got; the oldest is forgotten.

        A scope may be named a thousand times in a form: what is kept has a bound in octets too.
        """
        if len(key[1]) + len(key[2]) > _LONGEST_REMEMBERED:
            return
        if len(self._decisions) >= _MOST_REMEMBERED:
            del self._decisions[next(iter(self._decisions))]
        self._decisions[key] = decision


def _decide(client: Client, scopes: list[str], resources: list[str], offers: list[str]) -> Decision:
    """Return what `client` gets, by the rules of every other grant. Raises OAuthError."""
    names = access.list_names(client=client, scopes=scopes, for_person=False)
    resolved = access.decide_access(
        client=client,
        scopes=scopes,
        resources=resources,
        offers=[access.Offer(name, "", at) for name, _, at in (o.partition(" ") for o in offers)],
        for_person=False,
    )
    answer = TokenSet(_PLACE, conf.ACCESS_TOKEN_TTL_SECONDS, resolved.scopes).as_document()
    detail = record_audit_event.as_json(
        {
            "grant_type": GRANT_TYPE,
            "token": _PLACE,
            "scopes": resolved.scopes,
            "resources": resolved.resources,
        }
    )
    return Decision(
        client=str(client.pk).encode(),
        registered=_as_array(client.scopes),
        names=_as_array(names),
        offers=_as_array(offers),
        scopes=_as_array(resolved.scopes),
        resources=_as_array(resolved.resources),
        document=_split(json.dumps(answer)),
        detail=_split(detail),
    )


def _list_values(
    request: PlainRequest, presented: PresentedCredentials, decision: Decision, digest: bytes
) -> tuple[bytes | None, ...]:
    """Return the values of ISSUE."""
    before, after = decision.detail
    address = request.find_address()
    return (
        decision.client,
        presented.method.encode(),
        decision.registered,
        presented.secret_digest,
        datetime.now(UTC).isoformat().encode(),
        decision.names,
        decision.offers,
        presented.client_id.encode(),
        address.encode() if address else None,
        request.read_user_agent().encode(),
        request.name().encode(),
        f"{before}{digest[:8].hex()}{after}".encode(),
        digest,
        uuid7().bytes,
        decision.scopes,
        decision.resources,
    )


def _as_array(items: Sequence[str]) -> bytes:
    """Return the text of a PostgreSQL array."""
    quoted = (item.replace("\\", "\\\\").replace('"', '\\"') for item in items)
    return ("{" + ",".join(f'"{item}"' for item in quoted) + "}").encode()


def _split(text: str) -> tuple[str, str]:
    before, _, after = text.partition(_PLACE)
    return before, after
