"""RFC 9068: JWT access tokens of other issuers, taken where an API allows it.

They are by-value already, so the upstream gets them as they are. Verified once, then found by
digest like every other token, and asked about again after 300 s: a withdrawn key ends them then.
"""

import time
from collections.abc import Awaitable, Mapping
from functools import lru_cache
from typing import Final, Protocol

from gateway.counters import Counters
from gateway.dataplane import signatures
from gateway.dataplane.errors import AuthorityUnavailable, InvalidToken
from gateway.dataplane.phantom_token import (
    Claims,
    Expectations,
    NonsenseAnswer,
    PhantomToken,
    check_claims,
    make_token,
    read_text,
)
from gateway.dataplane.token_cache import TokenCache
from wire.gateway_snapshot import Issuer
from wire.jws import JWS, UnusableJWS, list_candidates, parse_jws

# RFC 9068 §4: nothing else is an access token, an ID token above all.
_TYPES: Final = frozenset({"at+jwt", "application/at+jwt"})
_INVALID: Final = "The access token is expired, unknown, or of an issuer that this API refuses."
_UNAVAILABLE: Final = "The keys of the token's issuer cannot be read; try again."

JWKS = Mapping[str, object]


class KeysUnavailable(Exception):
    """The issuer's keys cannot be read and none are known; the text is for the log."""


class KeySource(Protocol):
    """Who reads and remembers the keys of issuers."""

    def keys_of(self, issuer: Issuer) -> Awaitable[JWKS]:
        """Return the key set. Raises KeysUnavailable."""

    def newer_keys_of(self, issuer: Issuer) -> Awaitable[JWKS | None]:
        """Return the key set read anew, None when that was done a moment ago.

        Raises KeysUnavailable.
        """


def is_jwt(token: bytes) -> bool:
    """Whether this is the shape of a signed JWT, which no opaque token of ours has."""
    return token[:2] == b"ey" and token.count(b".") == 2


class ForeignTokens:
    """Verifies, and remembers in the cache that opaque tokens are in."""

    def __init__(self, *, cache: TokenCache, keys: KeySource, counters: Counters) -> None:
        self._cache = cache
        self._keys = keys
        self._counters = counters

    async def obtain(
        self, token: bytes, digest: bytes, resource: str, issuers: tuple[Issuer, ...]
    ) -> PhantomToken:
        """Return the token for `resource`. Raises InvalidToken, and AuthorityUnavailable."""
        if self._cache.is_known_bad(digest, resource, time.monotonic()):
            self._counters.add("negative_cache_hits")
            raise InvalidToken(_INVALID)
        self._counters.add("foreign_tokens_verified")
        try:
            phantom = await self._verify(token, resource, issuers)
        except KeysUnavailable as error:
            self._counters.add("foreign_keys_unavailable")
            raise AuthorityUnavailable(_UNAVAILABLE, 1) from error
        except (UnusableJWS, NonsenseAnswer) as error:
            self._cache.remember_bad(digest, resource, time.monotonic())
            raise InvalidToken(_INVALID) from error
        if not self._cache.keep(digest, resource, phantom):
            raise InvalidToken(_INVALID)
        return phantom

    async def _verify(
        self, token: bytes, resource: str, issuers: tuple[Issuer, ...]
    ) -> PhantomToken:
        signed = parse_jws(token.decode("latin-1"))
        issuer = _find_issuer(signed, issuers)
        _check_header(signed, issuer)
        expected = Expectations(issuer.issuer, issuer.audience or resource)
        lifetime = check_claims(signed.claims, expected, time.time())
        phantom = make_token(
            b"Bearer " + token,
            signed.claims,
            client_id=_client_id(signed.claims, issuer),
            scopes=_read_scopes(signed.claims, issuer.scope_claim),
            lifetime_seconds=lifetime,
            now=time.monotonic(),
        )
        phantom.issuer = issuer
        # Last: what costs most, and may have to wait.
        await self._check_signature(signed, issuer)
        return phantom

    async def _check_signature(self, signed: JWS, issuer: Issuer) -> None:
        candidates = list(list_candidates(signed, await self._keys.keys_of(issuer)))
        if not candidates:
            # A key that we have not seen: the issuer may have begun to use a new one.
            newer = await self._keys.newer_keys_of(issuer)
            candidates = list(list_candidates(signed, newer))
        for jwk in candidates:
            try:
                signatures.verify(signed, jwk)
            except UnusableJWS:
                continue
            return
        raise UnusableJWS("no key of the issuer verifies the signature")


def _find_issuer(signed: JWS, issuers: tuple[Issuer, ...]) -> Issuer:
    named = signed.claims.get("iss")
    for issuer in issuers:
        if issuer.issuer == named:
            return issuer
    raise UnusableJWS("iss: not an issuer that this API takes")


def _check_header(signed: JWS, issuer: Issuer) -> None:
    if str(signed.header.get("typ", "")).lower() not in _TYPES:
        raise UnusableJWS("typ: at+jwt is expected")
    if signed.algorithm not in issuer.algorithms:
        raise UnusableJWS("alg: not one that this issuer is configured with")


def _client_id(claims: Claims, issuer: Issuer) -> str:
    """Return the client id of the subscription: as configured, else one that is nobody else's."""
    client_id = read_text(claims, issuer.client_id_claim)
    return _subscribed(issuer).get(client_id) or f"{issuer.slug}:{client_id}"


@lru_cache(maxsize=256)
def _subscribed(issuer: Issuer) -> Mapping[str, str]:
    return {client.client_id: client.subscribed_as for client in issuer.clients}


def _read_scopes(claims: Claims, name: str) -> frozenset[str]:
    """RFC 9068 §2.2.3 a text with blanks; others write a list. Raises NonsenseAnswer."""
    value = claims.get(name, "")
    if isinstance(value, str):
        return frozenset(value.split())
    if isinstance(value, list) and all(isinstance(scope, str) for scope in value):
        return frozenset(value)
    raise NonsenseAnswer(f"{name}: a text or a list of texts is expected.")
