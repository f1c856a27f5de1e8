"""Exchanged tokens by digest: never the opaque token itself, never longer than it lives."""

from collections.abc import Hashable, Iterable
from itertools import islice
from typing import Final, TypeVar

from gateway.dataplane.phantom_token import PhantomToken
from wire.gateway_snapshot import Issuer

NEGATIVE_TTL_SECONDS: Final = 2.0
_MAX_NEGATIVE: Final = 20_000
# Longer than an introspection can be under way, so that none brings a revoked token back.
_REVOKED_TTL_SECONDS: Final = 600.0
_MAX_REVOKED: Final = 200_000


Key = TypeVar("Key", bound=Hashable)


class TokenCache:
    """A bounded cache, oldest entry out first: with lives of 300 s at most, age is near enough use.

    All times are of `time.monotonic`.
    """

    def __init__(
        self, *, max_entries: int, max_bytes: int, max_negative: int = _MAX_NEGATIVE
    ) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._max_negative = max_negative
        self._bytes = 0
        self._entries = 0
        self._tokens: dict[bytes, dict[str, PhantomToken]] = {}
        self._negative: dict[tuple[bytes, str], float] = {}
        self._revoked: dict[bytes, float] = {}
        self.times_cleared = 0

    def __len__(self) -> int:
        return self._entries

    @property
    def size_bytes(self) -> int:
        return self._bytes

    def find(self, digest: bytes, resource: str, now: float) -> PhantomToken | None:
        """Return the live entry."""
        by_resource = self._tokens.get(digest)
        if by_resource is None:
            return None
        token = by_resource.get(resource)
        if token is None or token.expires_at <= now:
            return None
        return token

    def keep(self, digest: bytes, resource: str, token: PhantomToken) -> bool:
        """Store `token`; False when `digest` was revoked meanwhile: it must not be used."""
        if digest in self._revoked:
            return False
        self._negative.pop((digest, resource), None)
        by_resource = self._tokens.setdefault(digest, {})
        old = by_resource.pop(resource, None)
        if old is not None:
            self._forget(old)
        by_resource[resource] = token
        self._entries += 1
        self._bytes += token.size_bytes
        self._evict()
        return True

    def is_known_bad(self, digest: bytes, resource: str, now: float) -> bool:
        """Whether the token was inactive a moment ago, or is revoked."""
        if digest in self._revoked:
            return True
        until = self._negative.get((digest, resource))
        return until is not None and until > now

    def remember_bad(self, digest: bytes, resource: str, now: float) -> None:
        """Refuse the token for NEGATIVE_TTL_SECONDS; a cached copy of it is dropped."""
        self._drop(digest)
        _make_room(self._negative, self._max_negative)
        self._negative[digest, resource] = now + NEGATIVE_TTL_SECONDS

    def revoke(self, digests: Iterable[bytes], now: float) -> None:
        """Drop the tokens now and keep them from coming back."""
        for digest in digests:
            self._drop(digest)
            _make_room(self._revoked, _MAX_REVOKED)
            self._revoked[digest] = now + _REVOKED_TTL_SECONDS

    def clear(self) -> None:
        """Drop every exchanged token. Who asks about one just now must not keep the answer."""
        self.times_cleared += 1
        self._tokens.clear()
        self._bytes = self._entries = 0

    def keep_issuers(self, issuers: frozenset[Issuer]) -> None:
        """Drop the tokens of foreign issuers that are not configured so any more."""
        for digest, by_resource in list(self._tokens.items()):
            for token in by_resource.values():
                if token.issuer is not None and token.issuer not in issuers:
                    self._drop(digest)
                    break

    def sweep(self, now: float) -> None:
        """Drop what has expired; called now and then."""
        for digest, by_resource in list(self._tokens.items()):
            for resource, token in list(by_resource.items()):
                if token.expires_at <= now:
                    self._forget(by_resource.pop(resource))
            if not by_resource:
                del self._tokens[digest]
        _drop_expired(self._negative, now)
        _drop_expired(self._revoked, now)

    def _evict(self) -> None:
        while self._entries > self._max_entries or self._bytes > self._max_bytes:
            self._drop(next(iter(self._tokens)))

    def _drop(self, digest: bytes) -> None:
        for token in self._tokens.pop(digest, {}).values():
            self._forget(token)

    def _forget(self, token: PhantomToken) -> None:
        self._entries -= 1
        self._bytes -= token.size_bytes


def _drop_expired(known: dict[Key, float], now: float) -> None:
    for key in [key for key, until in known.items() if until <= now]:
        del known[key]


def _make_room(known: dict[Key, float], limit: int) -> None:
    if len(known) >= limit:
        for key in list(islice(known, limit // 10)):
            del known[key]
