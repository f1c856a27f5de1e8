"""A document from the web through an HTTP cache that every process shares (RFC 9111)."""

import hashlib
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final

from django.core.cache import cache
from redis.exceptions import RedisError

from ims.errors import FetchFailed, TooManyFetches
from ims.outbound.fetch_document import FetchedDocument, fetch_document
from ims.outbound.targets import Resolver, resolve_name

# What a publisher says is kept within these bounds: nobody is asked for every request, and no
# withdrawn key or document is believed for longer than the last.
LEAST_FRESH_SECONDS: Final = 60
USUALLY_FRESH_SECONDS: Final = 300
MOST_FRESH_SECONDS: Final = 3600
# After the n-th failure in a row nobody is asked for 5, 10, 20 ... seconds.
_FIRST_PAUSE_SECONDS: Final = 5
_LONGEST_PAUSE_SECONDS: Final = 300
_POLL_SECONDS: Final = 0.05
# In each process, whoever fetches among them: fewer than the threads that answer token requests.
MOST_WAITING: Final = 3
_places: Final = threading.BoundedSemaphore(MOST_WAITING)


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one kind of document. `accept` is the media type that is asked for."""

    accept: str
    max_bytes: int
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document; both moments are Unix time in seconds."""

    body: bytes
    media_type: str
    etag: str
    fetched_at: float
    fresh_until: float


def get_document(
    url: str,
    *,
    limits: Limits,
    most_age_seconds: int | None = None,
    resolver: Resolver = resolve_name,
) -> StoredDocument:
    """Return the document at `url`, from the cache while it is fresh; else it blocks for a fetch.

    `most_age_seconds` asks for a younger one than the cache may hold, for when a key is missing in
    it. When the fetch fails, a document that is younger than MOST_FRESH_SECONDS is good enough. One
    process fetches at a time; the others wait for it, MOST_WAITING at most. Raises FetchFailed.
    """
    name = f"outbound:{hashlib.sha256(f'{limits.accept} {url}'.encode()).hexdigest()}"
    with _map_errors():
        stored = _read(name)
        if stored is not None and _is_fresh(stored, most_age_seconds):
            return stored
        try:
            with _a_place_to_wait():
                return _renew(name, url, stored, limits, resolver)
        except FetchFailed:
            if stored is None:
                raise
            return stored


@contextmanager
def _a_place_to_wait() -> Iterator[None]:
    """Hold one of few places: who waits for a stranger's host holds a thread that serves others."""
    if not _places.acquire(blocking=False):
        raise TooManyFetches("as many wait for documents as may")
    try:
        yield
    finally:
        _places.release()


def _renew(
    name: str, url: str, stored: StoredDocument | None, limits: Limits, resolver: Resolver
) -> StoredDocument:
    patience = limits.timeout_seconds + 1
    if not cache.add(f"{name}:lock", 1, timeout=int(patience) + 1):
        return _wait_for_another(name, stored, patience)
    try:
        _refuse_while_paused(name)
        document = _fetch(url, stored, limits, resolver)
    except TooManyFetches:
        raise  # nobody was asked, so nobody failed
    except FetchFailed:
        _pause(name)
        raise
    else:
        _write(name, document)
        return document
    finally:
        cache.delete(f"{name}:lock")


def _fetch(
    url: str, stored: StoredDocument | None, limits: Limits, resolver: Resolver
) -> StoredDocument:
    fetched = fetch_document(
        url,
        accept=limits.accept,
        max_bytes=limits.max_bytes,
        timeout_seconds=limits.timeout_seconds,
        etag=stored.etag if stored is not None else None,
        resolver=resolver,
    )
    now = time.time()
    is_same = fetched.status == 304 and stored is not None
    return StoredDocument(
        body=stored.body if stored is not None and is_same else fetched.body,
        media_type=stored.media_type if stored is not None and is_same else fetched.media_type,
        etag=fetched.etag or (stored.etag if stored is not None and is_same else ""),
        fetched_at=now,
        fresh_until=now + _bound(fetched),
    )


def _bound(fetched: FetchedDocument) -> int:
    wished = fetched.fresh_for_seconds
    if wished is None:
        return USUALLY_FRESH_SECONDS
    return min(max(wished, LEAST_FRESH_SECONDS), MOST_FRESH_SECONDS)


def _is_fresh(stored: StoredDocument, most_age_seconds: int | None) -> bool:
    now = time.time()
    is_young = most_age_seconds is None or now - stored.fetched_at <= most_age_seconds
    return now < stored.fresh_until and is_young


def _wait_for_another(name: str, stored: StoredDocument | None, seconds: float) -> StoredDocument:
    """Return what the process that fetches now writes down. Raises TooManyFetches."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        is_over = cache.get(f"{name}:lock") is None
        written = _read(name)
        if written is not None and (stored is None or written.fetched_at > stored.fetched_at):
            return written
        if is_over:
            break
    raise TooManyFetches("another process is fetching the same document, or has just failed")


def _refuse_while_paused(name: str) -> None:
    failure = cache.get(f"{name}:failed")
    if failure is not None and time.time() < failure["until"]:
        raise TooManyFetches("the last fetch failed; the address is left alone for a while")


def _pause(name: str) -> None:
    failure: Mapping[str, Any] | None = cache.get(f"{name}:failed")
    count = 0 if failure is None else int(failure["count"])
    seconds = min(_FIRST_PAUSE_SECONDS * 2 ** min(count, 10), _LONGEST_PAUSE_SECONDS)
    kept = {"count": count + 1, "until": time.time() + seconds}
    cache.set(f"{name}:failed", kept, timeout=2 * _LONGEST_PAUSE_SECONDS)


def _read(name: str) -> StoredDocument | None:
    kept = cache.get(name)
    return None if kept is None else StoredDocument(**kept)


def _write(name: str, document: StoredDocument) -> None:
    cache.set(name, asdict(document), timeout=MOST_FRESH_SECONDS)
    cache.delete(f"{name}:failed")


@contextmanager
def _map_errors() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise TooManyFetches("Valkey does not answer, so nothing is fetched") from error
