"""The token service as the gateway uses it: discovery, introspection, our own tokens, revocations.

Any issuer will do that speaks RFC 8414, RFC 7662 with `Accept: application/jwt`, and RFC 6749 §4.4;
the revocation feed is ours, announced by the issuer as `revocation_feed_endpoint`, or found beside
introspection.
"""

import json
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

from gateway.config import Config
from gateway.dataplane.guarded_authority import AuthorityFailed, AuthorityRefusedUs, Introspection
from gateway.origin_client import Answer, OriginClient, OriginUnreachable
from wire.introspection import (
    PHANTOM_JWT_MEDIA_TYPE,
    RESOURCE_PARAMETER,
    basic_credentials,
    read_max_age,
)
from wire.revocation_feed import MalformedFeed, RevocationPage, parse_page

_FORM: Final = (b"content-type", b"application/x-www-form-urlencoded")
_JSON: Final = (b"accept", b"application/json")
_PATIENCE_SECONDS: Final = 3.0
_MOST_SECONDS: Final = 6.0
_FEED_WAIT_SECONDS: Final = 20
_RENEW_EARLY_SECONDS: Final = 30.0
_DISCOVERY_LIFETIME_SECONDS: Final = 300.0


class IMSClient:
    """Asks the token service; every failure is an AuthorityFailed."""

    def __init__(self, config: Config) -> None:
        self._issuer = config.issuer
        self._control_resource = f"{config.issuer}/control"
        self._authorization = (
            b"authorization",
            basic_credentials(config.client_id, config.client_secret),
        )
        self._quick = OriginClient(
            ca_pem=config.issuer_ca_pem,
            patience_seconds=_PATIENCE_SECONDS,
            most_seconds=_MOST_SECONDS,
        )
        self._patient = OriginClient(
            ca_pem=config.issuer_ca_pem, patience_seconds=_FEED_WAIT_SECONDS + 10.0
        )
        self._metadata: Mapping[str, Any] | None = None
        self._metadata_until = 0.0
        self._control_token = b""
        self._control_token_until = 0.0

    async def introspect(self, token: bytes, resource: str) -> Introspection | None:
        """Return the token's JWT for `resource`; None when it is not active (204)."""
        url = await self._endpoint("introspection_endpoint")
        # quote leaves nothing unescaped that could end the parameter and begin another.
        body = b"token=%b&%b=%b" % (
            quote(token, safe="").encode(),
            RESOURCE_PARAMETER.encode(),
            quote(resource, safe="").encode(),
        )
        accept = (b"accept", PHANTOM_JWT_MEDIA_TYPE.encode())
        answer = await self._send(url, [self._authorization, _FORM, accept], body)
        return _read_introspection(answer)

    async def control_token(self) -> bytes:
        """Return our own access token for the control API (RFC 6749 §4.4, RFC 8707)."""
        now = time.monotonic()
        if now < self._control_token_until:
            return self._control_token
        form = {
            "grant_type": "client_credentials",
            "scope": "gateway",
            "resource": self._control_resource,
        }
        url = await self._endpoint("token_endpoint")
        answer = await self._send(
            url, [self._authorization, _FORM, _JSON], urlencode(form).encode()
        )
        document = _document(answer)
        try:
            self._control_token = str(document["access_token"]).encode("ascii")
            lifetime = float(document.get("expires_in", 60))
        except (KeyError, TypeError, ValueError) as error:
            raise AuthorityFailed("token endpoint: the answer holds no access_token.") from error
        self._control_token_until = now + max(1.0, lifetime - _RENEW_EARLY_SECONDS)
        return self._control_token

    def forget_control_token(self) -> None:
        """Ask for a new one next time: the control API refused this one."""
        self._control_token_until = 0.0

    async def read_revocations(self, cursor: int | None) -> RevocationPage:
        """Return the next page of the feed, as soon as there is one or after 20 s."""
        metadata = await self._discover()
        url = str(metadata.get("revocation_feed_endpoint") or f"{self._issuer}/oauth/revocations")
        if cursor is not None:
            url += f"?after={cursor}&wait={_FEED_WAIT_SECONDS}"
        answer = await self._ask(self._patient, b"GET", url, [self._authorization, _JSON])
        try:
            return parse_page(_document(answer))
        except MalformedFeed as error:
            raise AuthorityFailed(str(error)) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._quick.close()
        await self._patient.close()

    async def _endpoint(self, name: str) -> str:
        metadata = await self._discover()
        url = metadata.get(name)
        if not isinstance(url, str):
            raise AuthorityFailed(f"discovery: {name} is missing.")
        return url

    async def _discover(self) -> Mapping[str, Any]:
        if self._metadata is not None and time.monotonic() < self._metadata_until:
            return self._metadata
        try:
            self._metadata = await self._read_metadata()
        except AuthorityFailed:
            if self._metadata is None:
                raise
        self._metadata_until = time.monotonic() + _DISCOVERY_LIFETIME_SECONDS
        return self._metadata

    async def _read_metadata(self) -> Mapping[str, Any]:
        url = f"{self._issuer}/.well-known/oauth-authorization-server"
        document = _document(await self._ask(self._quick, b"GET", url, [_JSON]))
        if document.get("issuer") != self._issuer:
            # RFC 8414 §3.3: another issuer's metadata must not be used.
            raise AuthorityFailed("discovery: the document is of another issuer.")
        return document

    async def _send(self, url: str, headers: list[tuple[bytes, bytes]], body: bytes) -> Answer:
        return await self._ask(self._quick, b"POST", url, headers, body)

    async def _ask(
        self,
        client: OriginClient,
        method: bytes,
        url: str,
        headers: list[tuple[bytes, bytes]],
        body: bytes = b"",
    ) -> Answer:
        try:
            answer = await client.request(method, url, headers, body)
        except OriginUnreachable as error:
            raise AuthorityFailed(str(error)) from error
        if answer.status in {401, 403} or (
            answer.status == 400 and b"invalid_client" in answer.body[:1000]
        ):
            raise AuthorityRefusedUs(f"The token service refused our credentials: {answer.status}.")
        if answer.status not in {200, 204}:
            raise AuthorityFailed(f"The token service answered {answer.status}.")
        return answer


def _read_introspection(answer: Answer) -> Introspection | None:
    if answer.status == 204:
        return None
    media_type = answer.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if media_type != PHANTOM_JWT_MEDIA_TYPE.encode():
        raise AuthorityFailed("introspection: the answer is no application/jwt.")
    max_age = read_max_age(answer.headers.get(b"cache-control", b""))
    return Introspection(answer.body.strip(), max_age)


def _document(answer: Answer) -> Mapping[str, Any]:
    try:
        document = json.loads(answer.body)
    except ValueError as error:
        raise AuthorityFailed("The token service answered something that is no JSON.") from error
    if not isinstance(document, Mapping):
        raise AuthorityFailed("The token service answered JSON that is no object.")
    return document
