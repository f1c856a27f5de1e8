"""RFC 9068 §4: what a resource server checks of a JWT access token."""

import asyncio
import time
from collections.abc import Collection
from typing import Any, Final

import httpx
import jwt

_ALGORITHMS: Final = ["ES256", "RS256", "PS256", "EdDSA"]  # asymmetric ones only
_TYPES: Final = frozenset({"at+jwt", "application/at+jwt"})
_REQUIRED: Final = ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"]
_KEYS_SECONDS: Final = 300.0
# A token that names an unknown key may be signed with a new one; junk must not make us ask often.
_UNKNOWN_KEY_SECONDS: Final = 5.0
_TIMEOUT_SECONDS: Final = 5.0
_LEEWAY_SECONDS: Final = 5.0


class InvalidToken(Exception):
    """The token is not one that this API accepts; the message says why, for the caller."""


class IssuerUnavailable(Exception):
    """The issuer's keys could not be fetched, so nothing can be said of the token."""


class AccessTokenVerifier:
    """Checks tokens of one issuer against its published keys, which are kept for five minutes."""

    def __init__(self, issuer: str, audiences: Collection[str]) -> None:
        self._issuer = issuer.rstrip("/")
        self._audiences = frozenset(audiences)
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def verify(self, token: str) -> dict[str, Any]:
        """Return the claims of `token`. Raises InvalidToken and IssuerUnavailable."""
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise InvalidToken("The token is not a JWT.") from error
        if str(header.get("typ", "")).lower() not in _TYPES:
            raise InvalidToken("The token's typ is not at+jwt.")
        key = await self._key(str(header.get("kid", "")))
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=_ALGORITHMS,
                issuer=self._issuer,
                leeway=_LEEWAY_SECONDS,
                # The audience is checked below: one of several, or one that ends as ours does.
                options={"require": _REQUIRED, "verify_aud": False},
            )
        except jwt.InvalidTokenError as error:
            raise InvalidToken(f"The token is not valid: {error}.") from error
        if not self._is_for_us(claims["aud"]):
            raise InvalidToken("The token was made for another API.")
        return claims

    def _is_for_us(self, audience: object) -> bool:
        values = audience if isinstance(audience, list) else [audience]
        if self._audiences:
            return any(value in self._audiences for value in values if isinstance(value, str))
        return any(isinstance(value, str) and value.endswith("/orders/v1") for value in values)

    async def _key(self, kid: str) -> jwt.PyJWK:
        if self._age() > (_KEYS_SECONDS if kid in self._keys else _UNKNOWN_KEY_SECONDS):
            async with self._fetching:
                if self._age() > _UNKNOWN_KEY_SECONDS:
                    await self._fetch()
        if kid not in self._keys:
            raise InvalidToken("The token is signed with an unknown key.")
        return self._keys[kid]

    def _age(self) -> float:
        return time.monotonic() - self._fetched_at

    async def _fetch(self) -> None:
        try:
            async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS) as client:
                found = await client.get(f"{self._issuer}/.well-known/openid-configuration")
                document = found.raise_for_status().json()
                # OpenID Connect Discovery §4.3: else another issuer's keys would be trusted.
                if document["issuer"] != self._issuer:
                    raise IssuerUnavailable("The discovery document names another issuer.")
                jwks = (await client.get(document["jwks_uri"])).raise_for_status().json()
            keys = jwt.PyJWKSet.from_dict(jwks).keys
        except (httpx.HTTPError, jwt.PyJWTError, KeyError, TypeError, ValueError) as error:
            if self._keys:
                self._fetched_at = time.monotonic()  # the old keys serve until the issuer is back
                return
            raise IssuerUnavailable("The issuer's keys could not be fetched.") from error
        self._keys = {key.key_id: key for key in keys if key.key_id}
        self._fetched_at = time.monotonic()
