"""Ask targets for their health path from here, before an upstream is saved; no database in this.

Connections go to addresses that were looked at, as the gateway's do: a slip of the pen, or a name
that is rebound, must not make this server ask its own network.
"""

import http.client
import io
import socket
import ssl
import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from ams.catalog.checks.upstream import is_internal_allowed
from ams.catalog.specs import UpstreamSpec
from wire.addresses import may_be_upstream, parse_address

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# Someone waits for the answer; what needs longer can be saved without being asked.
MOST_SECONDS: Final = 3.0
_MOST_AT_ONCE: Final = 16
_GRACE_SECONDS: Final = 0.5
_PORTS: Final = {"http": 80, "https": 443}


class _Unanswered(Exception):
    """The target gave no healthy answer; the message says what happened instead."""


@dataclass(frozen=True, slots=True)
class _Question:
    """What one target is asked."""

    url: str
    path: str
    allow_internal: bool
    ca_pem: str
    seconds: float


class _Incoming(io.RawIOBase):
    """What a target says until a moment of the monotonic clock.

    A time limit of the socket begins anew with each octet: a target that drips would hold a thread
    for as long as it likes. Raises TimeoutError.
    """

    def __init__(self, connected: socket.socket, until: float) -> None:
        self._connected, self._until = connected, until

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return the file that http.client asks a socket for."""
        del mode
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        remaining = self._until - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        self._connected.settimeout(remaining)
        return self._connected.recv_into(buffer)


def probe_targets(specs: Iterable[UpstreamSpec]) -> list[tuple[str, ...]]:
    """Return, for each spec, what its targets did instead of answering 2xx; nothing where all did.

    Blocks for MOST_SECONDS for every 16 targets, whatever they and their name servers do.
    """
    questions = [_questions(spec) for spec in specs]
    count = sum(map(len, questions))
    if not count:
        return [() for _ in questions]
    # Not `with`: that would wait for a name server that hangs.
    pool = ThreadPoolExecutor(min(count, _MOST_AT_ONCE), thread_name_prefix="probe")
    asked = [[pool.submit(_ask, question) for question in row] for row in questions]
    rounds = -(-count // _MOST_AT_ONCE)
    wait_for([one for row in asked for one in row], rounds * MOST_SECONDS + _GRACE_SECONDS)
    pool.shutdown(wait=False, cancel_futures=True)
    return [
        tuple(
            f"{question.url.rstrip('/')} {problem}"
            for question, future in zip(row, futures, strict=True)
            if (problem := _problem(future))
        )
        for row, futures in zip(questions, asked, strict=True)
    ]


def _questions(spec: UpstreamSpec) -> list[_Question]:
    health = spec.health
    if health is None or not health.check_on_save:
        return []
    return [
        _Question(
            url=target.url,
            path=health.path,
            allow_internal=is_internal_allowed(spec),
            ca_pem=spec.ca_pem,
            seconds=min(health.timeout_seconds, MOST_SECONDS),
        )
        for target in spec.addresses
    ]


def _problem(future: "Future[None]") -> str:
    if not future.done() or future.cancelled():
        return "did not answer in time"
    error = future.exception()
    if error is None:
        return ""
    if isinstance(error, _Unanswered):
        return str(error)
    raise error


def _ask(question: _Question) -> None:
    parts = urlsplit(question.url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    until = time.monotonic() + question.seconds
    try:
        with _connect(host, port, question) as connected:
            status = _get(connected, parts.netloc, question.path, until)
    except TimeoutError as error:
        raise _Unanswered("did not answer in time") from error
    except ssl.SSLCertVerificationError as error:
        raise _Unanswered(f"has no valid certificate: {error.verify_message}") from error
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise _Unanswered(f"cannot be connected to: {reason}") from error
    except (http.client.HTTPException, ValueError) as error:
        raise _Unanswered("does not answer in HTTP/1.1") from error
    if not 200 <= status < 300:
        raise _Unanswered(f"answered {status}, not a status from 200 to 299")


def _connect(host: str, port: int, question: _Question) -> socket.socket:
    address = _resolve(host, port, allow_internal=question.allow_internal)
    connected = socket.create_connection((address, port), question.seconds)
    if not question.url.startswith("https://"):
        return connected
    context = ssl.create_default_context(cadata=question.ca_pem or None)
    try:
        return context.wrap_socket(connected, server_hostname=host)
    except BaseException:
        connected.close()
        raise


def _resolve(host: str, port: int, *, allow_internal: bool) -> str:
    """Return an address to connect to. One that is not allowed spoils them all."""
    found = [str(row[4][0]) for row in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for text in found:
        address = parse_address(text)
        if address is None or not may_be_upstream(address, allow_internal=allow_internal):
            raise _Unanswered(f"has the address {text}, which calls may not be forwarded to")
    return found[0]


def _get(connected: socket.socket, authority: str, path: str, until: float) -> int:
    connection = http.client.HTTPConnection("unused")
    connection.sock = connected
    connection.putrequest("GET", path, skip_host=True, skip_accept_encoding=True)
    for name, value in (
        ("Host", authority),
        ("User-Agent", "tollgate-health"),
        ("Accept", "*/*"),
        ("Connection", "close"),
    ):
        connection.putheader(name, value)
    connection.endheaders()
    response = http.client.HTTPResponse(_Incoming(connected, until), method="GET")  # type: ignore[arg-type]  # all that it asks of a socket
    try:
        response.begin()
        return response.status
    finally:
        response.close()
