"""Fetch one document over HTTPS from a checked, pinned address; no cache (RFC 9110 §9.3.1)."""

import re
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Final

import httpcore
import httpx
from django.conf import settings

from ims.errors import (
    DocumentTooLarge,
    FetchTimedOut,
    TargetUnreachable,
    TooManyFetches,
    UnexpectedAnswer,
)
from ims.outbound.pinned_backend import PinnedBackend
from ims.outbound.targets import Resolver, Target, parse_target, resolve, resolve_name
from wire.addresses import Address

MOST_AT_ONCE: Final = 8
MOST_OF_ONE_HOST: Final = 2
_USER_AGENT: Final = "Tollgate"
# The caller waits this much longer than the fetch may take, for the end of it to be told.
_GRACE_SECONDS: Final = 0.5
_MAX_AGE: Final = re.compile(r'max-age\s*=\s*"?([0-9]{1,9})"?', re.IGNORECASE)
_LONGEST_ETAG: Final = 256


@dataclass(frozen=True, slots=True)
class FetchedDocument:
    """An answer of status 200, or 304 without a body when the `etag` was still right.

    `fresh_for_seconds` is what the publisher's Cache-Control allows (RFC 9111 §5.2.2): 0 where it
    forbids to keep the document, None where it says nothing.
    """

    status: int
    body: bytes
    media_type: str
    etag: str
    fresh_for_seconds: int | None


@dataclass(frozen=True, slots=True)
class _Fetch:
    """What is asked, and within which limits."""

    target: Target
    headers: Mapping[str, str]
    max_bytes: int
    timeout_seconds: float
    resolver: Resolver


def fetch_document(
    url: str,
    *,
    accept: str,
    max_bytes: int,
    timeout_seconds: float,
    etag: str | None = None,
    resolver: Resolver = resolve_name,
) -> FetchedDocument:
    """Return the document at `url`; blocks at most `timeout_seconds`, name and TLS included.

    `resolver` is asked once, and the connection is pinned to what it said. Raises FetchFailed:
    ForbiddenTarget, TargetUnreachable, FetchTimedOut, DocumentTooLarge, UnexpectedAnswer,
    TooManyFetches. A redirect is an UnexpectedAnswer.
    """
    target = parse_target(url)
    headers = {
        "Host": target.authority,
        "Accept": accept,
        "Accept-Encoding": "identity",  # nothing grows after the size was checked
        "User-Agent": _USER_AGENT,
    }
    if etag:
        headers["If-None-Match"] = etag
    fetch = _Fetch(target, headers, max_bytes, timeout_seconds, resolver)
    future = _start(fetch)
    try:
        return future.result(timeout_seconds + _GRACE_SECONDS)
    except (FutureTimeoutError, TimeoutError) as error:
        # A resolver that hangs holds its thread, and so a place among MOST_AT_ONCE; not the caller.
        raise FetchTimedOut(f"{target.host} did not answer in {timeout_seconds} s") from error


def _start(fetch: _Fetch) -> "Future[FetchedDocument]":
    """Return the running fetch, in a thread of its own. Raises TooManyFetches."""
    host = fetch.target.host
    _places.take(host)
    try:
        deadline = time.monotonic() + fetch.timeout_seconds
        future = _executor().submit(_fetch, fetch, deadline)
    except BaseException:
        _places.give_back(host)
        raise
    future.add_done_callback(lambda _: _places.give_back(host))
    return future


def _fetch(fetch: _Fetch, deadline: float) -> FetchedDocument:
    addresses = resolve(fetch.target, fetch.resolver)
    with (
        _map_errors(fetch.target),
        _open_pool(addresses, deadline) as pool,
        pool.stream("GET", fetch.target.url, headers=list(fetch.headers.items())) as response,
    ):
        headers = httpx.Headers(response.headers)
        _check_answer(response.status, headers, fetch)
        body = _read(response, headers, fetch.max_bytes)
    return FetchedDocument(
        status=response.status,
        body=body,
        media_type=headers.get("Content-Type", "").partition(";")[0].strip().lower(),
        etag=_read_etag(headers.get("ETag", "")),
        fresh_for_seconds=parse_freshness(headers.get("Cache-Control", "")),
    )


def _open_pool(addresses: Sequence[Address], deadline: float) -> httpcore.ConnectionPool:
    """Return what asks and nothing more: no redirects, cookies, proxies or environment."""
    return httpcore.ConnectionPool(
        ssl_context=_tls_context(settings.OUTBOUND_CA_FILE),
        network_backend=PinnedBackend(addresses, deadline),
    )


def _check_answer(status: int, headers: httpx.Headers, fetch: _Fetch) -> None:
    host = fetch.target.host
    if status == 304 and "If-None-Match" in fetch.headers:
        return
    if status != 200:
        hint = "; redirects are not followed" if 300 <= status < 400 else ""
        raise UnexpectedAnswer(f"{host} answered {status}{hint}", status=status)
    if headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnexpectedAnswer(f"{host} sent a content coding that was not asked for", status=200)


def _read(response: httpcore.Response, headers: httpx.Headers, max_bytes: int) -> bytes:
    announced = headers.get("Content-Length", "")
    if announced.isdecimal() and (len(announced) > 18 or int(announced) > max_bytes):
        raise DocumentTooLarge(f"the document has {announced[:20]} bytes, more than {max_bytes}")
    body = bytearray()
    for chunk in response.iter_stream():
        body += chunk
        if len(body) > max_bytes:
            raise DocumentTooLarge(f"the document has more than {max_bytes} bytes")
    return bytes(body)


def _read_etag(header: str) -> str:
    return header if len(header) <= _LONGEST_ETAG and header.isprintable() else ""


def parse_freshness(cache_control: str) -> int | None:
    """Return the seconds that RFC 9111 §5.2.2 lets a private cache keep an answer fresh."""
    directives = [directive.strip() for directive in cache_control.lower().split(",")]
    if any(directive.partition("=")[0] in {"no-store", "no-cache"} for directive in directives):
        return 0
    ages = [match[1] for directive in directives if (match := _MAX_AGE.fullmatch(directive))]
    return int(ages[0]) if ages else None


@contextmanager
def _map_errors(target: Target) -> Iterator[None]:
    try:
        yield
    except httpcore.TimeoutException as error:
        raise FetchTimedOut(f"{target.host} did not answer in time") from error
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError, ValueError) as error:
        reason = type(error).__name__
        raise TargetUnreachable(f"{target.host} cannot be asked: {reason} {error}") from error


@cache
def _tls_context(ca_file: str) -> ssl.SSLContext:
    """Return a context that verifies names; `ca_file` empty: by the system's authorities."""
    return ssl.create_default_context(cafile=ca_file or None)


@cache
def _executor() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="outbound")


class _Places:
    """Who may fetch now: a slow host must not take every thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()

    def take(self, host: str) -> None:
        """Raise TooManyFetches when no place is free; nobody waits."""
        with self._lock:
            if self._taken.total() >= MOST_AT_ONCE or self._taken[host] >= MOST_OF_ONE_HOST:
                raise TooManyFetches(f"too many fetches are under way; {host} has to wait")
            self._taken[host] += 1

    def give_back(self, host: str) -> None:
        with self._lock:
            self._taken[host] -= 1
            if not self._taken[host]:
                del self._taken[host]


_places: Final = _Places()
