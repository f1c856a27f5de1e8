"""The keys of other issuers (RFC 7517), by discovery where no address is configured.

Read when they are needed first, and again after five minutes or when a token names a key that is
not there; the latter at most every 30 s, so that junk cannot make us ask. While the issuer is away,
the keys that are known go on being used.

An administrator's word is taken for where an issuer is. Where the issuer itself names another host
for its keys, that must be a public one: it could make us ask our own neighbours.
"""

import asyncio
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from gateway.dataplane.foreign_tokens import JWKS, KeysUnavailable
from gateway.issuer_metadata import MetadataUnusable, is_fetchable, read_metadata
from gateway.origin_client import OriginClient, OriginUnreachable
from wire.addresses import may_be_upstream
from wire.gateway_snapshot import Issuer

LIFETIME_SECONDS: Final = 300.0
COOLDOWN_SECONDS: Final = 30.0
_RETRY_SECONDS: Final = 5.0
_PATIENCE_SECONDS: Final = 3.0
_WHOLE_SECONDS: Final = 6.0
_MOST_BYTES: Final = 256 * 1024

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Known:
    """What is known of one issuer. Times are of `time.monotonic`."""

    client: OriginClient
    strict: OriginClient  # for hosts that the issuer names, and nobody else
    keys: JWKS | None = None
    fresh_until: float = 0.0
    asked_at: float = float("-inf")
    has_failed: bool = False
    reading: "asyncio.Task[None] | None" = None

    async def close(self) -> None:
        await self.client.close()
        await self.strict.close()


class IssuerKeys:
    """The key sets of all issuers of a configuration, for one worker."""

    def __init__(self) -> None:
        self._known: dict[Issuer, _Known] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def keys_of(self, issuer: Issuer) -> JWKS:
        """Return the key set, at most a few minutes old if the issuer answers.

        An issuer that did not answer last time is asked again without waiting for it.
        Raises KeysUnavailable when it never did.
        """
        known = self._find(issuer)
        if time.monotonic() >= known.fresh_until:
            reading = self._begin_reading(issuer, known)
            if known.keys is None or not known.has_failed:
                await asyncio.shield(reading)
        if known.keys is None:
            raise KeysUnavailable(f"The keys of {issuer.slug} cannot be read.")
        return known.keys

    async def newer_keys_of(self, issuer: Issuer) -> JWKS | None:
        """Return the key set read anew, None when that was done a moment ago.

        Raises KeysUnavailable while the issuer is away: that says nothing about a token.
        """
        known = self._find(issuer)
        is_recent = time.monotonic() - known.asked_at < COOLDOWN_SECONDS
        if not is_recent:
            # Shielded: one caller that goes away must not fail the others.
            await asyncio.shield(self._begin_reading(issuer, known))
        if known.has_failed:
            raise KeysUnavailable(f"The keys of {issuer.slug} cannot be read.")
        return None if is_recent else known.keys

    def keep_only(self, issuers: frozenset[Issuer]) -> None:
        """Forget the issuers that the configuration does not have any more."""
        for issuer in self._known.keys() - issuers:
            task = asyncio.get_running_loop().create_task(self._known.pop(issuer).close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close every connection."""
        for known in self._known.values():
            await known.close()

    def _find(self, issuer: Issuer) -> _Known:
        known = self._known.get(issuer)
        if known is None:
            known = _Known(_open(issuer, allow_internal=True), _open(issuer, allow_internal=False))
            self._known[issuer] = known
        return known

    def _begin_reading(self, issuer: Issuer, known: _Known) -> "asyncio.Task[None]":
        if known.reading is None:
            known.reading = asyncio.get_running_loop().create_task(_read(issuer, known))
        return known.reading


def _open(issuer: Issuer, *, allow_internal: bool) -> OriginClient:
    return OriginClient(
        ca_pem=issuer.ca_pem,
        patience_seconds=_PATIENCE_SECONDS,
        most_seconds=2 * _PATIENCE_SECONDS,
        most_bytes=_MOST_BYTES,
        judge=partial(may_be_upstream, allow_internal=allow_internal),
    )


async def _read(issuer: Issuer, known: _Known) -> None:
    known.asked_at = time.monotonic()
    try:
        async with asyncio.timeout(_WHOLE_SECONDS):
            known.keys = await _fetch(issuer, known)
    except (OriginUnreachable, MetadataUnusable, TimeoutError) as error:
        _log.warning("the keys of the issuer %s cannot be read: %s", issuer.slug, error)
        known.fresh_until = time.monotonic() + _RETRY_SECONDS
        known.has_failed = True
    else:
        known.fresh_until = time.monotonic() + LIFETIME_SECONDS
        known.has_failed = False
    finally:
        known.reading = None


async def _fetch(issuer: Issuer, known: _Known) -> JWKS:
    client = known.client
    url: object = issuer.jwks_uri
    if not url:
        metadata = await read_metadata(client, issuer.issuer)
        url = metadata.get("jwks_uri")
    if not isinstance(url, str) or not is_fetchable(url):
        raise MetadataUnusable("jwks_uri: an https URL is needed.")
    if not issuer.jwks_uri and urlsplit(url).hostname != urlsplit(issuer.issuer).hostname:
        client = known.strict
    answer = await client.request(b"GET", url, [(b"accept", b"application/json")])
    if answer.status != 200:
        raise MetadataUnusable(f"jwks_uri: the answer is {answer.status}.")
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise MetadataUnusable("jwks_uri: the answer is no JSON.") from error
    if not isinstance(document, Mapping) or not isinstance(document.get("keys"), list):
        raise MetadataUnusable("jwks_uri: the answer is no key set.")
    return document
