"""One line of JSON per call, written in batches by a task of its own.

No query string, no header, no token: of a token the first 8 hexadecimal digits of its digest.
"""

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from gateway.dataplane.call import Call
from gateway.tracing import trace_context
from gateway.usage.segment import BY_CLIENT, BY_GATEWAY, BY_UPSTREAM

if TYPE_CHECKING:
    from gateway.usage.meter_key import MeterKey

# Somebody will put a credential in a path one day: ours by their prefix, JWTs by their beginning.
_TOKEN_LIKE: Final = re.compile(rb"tg[a-z]{2}_[0-9A-Za-z]+|eyJ[0-9A-Za-z_\-]+[.0-9A-Za-z_\-]*")
_CAUSES: Final = {BY_CLIENT: b"client", BY_UPSTREAM: b"upstream", BY_GATEWAY: b"gateway"}
# Bytes of a path that stand for themselves in a JSON string: all that is printable but " and \\.
_PLAIN: Final = bytes(byte for byte in range(0x20, 0x7F) if byte not in b'"\\')
_LINE: Final = (
    b'{"time":%.3f,"request_id":"%b","trace_id":"%b","method":%b,"path":%b,"status":%d,'
    b'"cause":"%b","problem":"%b","seconds":%.6f,"upstream_seconds":%b,"request_bytes":%d,'
    b'"response_bytes":%d,"client":%b,%b,"token_digest":"%b","worker":%d}'
)
_MAX_REMEMBERED: Final = 4096
_FLUSH_SECONDS: Final = 0.5
_MAX_WAITING: Final = 20_000  # lines beyond it are dropped and counted: memory is not a log


class JSONAccessLog:
    """Collects lines; `run` writes them."""

    def __init__(self, target: str, worker: int) -> None:
        """`target` is a path, or "-" for standard output. Raises OSError."""
        # Open as long as the worker lives.
        self._file: BinaryIO = (
            sys.stdout.buffer if target == "-" else Path(target).open("ab", buffering=0)  # noqa: SIM115
        )
        self._worker = worker
        self._waiting: list[bytes] = []
        self._dropped = 0
        # What is the same for many calls, as JSON: by whose they are, and by address.
        self._owners: dict[MeterKey, bytes] = {}
        self._addresses: dict[str, bytes] = {}

    def write(self, call: Call, seconds: float, unix_now: float) -> None:
        """Put the line of a finished call together; writing comes later.

        Now, while it is at hand: kept calls are memory, and a thread that made thousands of lines
        at once would hold up others.
        """
        if len(self._waiting) >= _MAX_WAITING:
            self._dropped += 1
            return
        self._waiting.append(self._line(call, seconds, unix_now))

    async def run(self) -> None:
        """Write what has come in, twice a second, for ever."""
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Write what has come in."""
        waiting, self._waiting = self._waiting, []
        dropped, self._dropped = self._dropped, 0
        if waiting or dropped:
            await asyncio.to_thread(self._write_lines, waiting, dropped)

    async def close(self) -> None:
        """Write what has come in, and close the file."""
        await self.flush()
        if self._file is not sys.stdout.buffer:
            self._file.close()

    def _write_lines(self, waiting: list[bytes], dropped: int) -> None:
        if dropped:
            waiting.append(b'{"dropped":%d,"worker":%d}' % (dropped, self._worker))
        self._file.write(b"\n".join(waiting) + b"\n")
        self._file.flush()

    def _line(self, call: Call, seconds: float, unix_now: float) -> bytes:
        extras = call.extras
        return _LINE % (
            unix_now,
            call.request_id,
            _trace_id(call),
            _quoted(call.method),
            _quoted_path(call.raw_path),
            call.status,
            _CAUSES.get(call.cause, b""),
            extras.problem.encode() if extras is not None else b"",
            seconds,
            _upstream_seconds(call),
            call.request_bytes,
            call.response_bytes,
            self._address(call.client_address),
            self._owner(call),
            call.digest[:4].hex().encode(),
            self._worker,
        )

    def _address(self, address: str) -> bytes:
        found = self._addresses.get(address)
        if found is None:
            if len(self._addresses) >= _MAX_REMEMBERED:
                self._addresses.clear()
            found = self._addresses[address] = _quoted(address)
        return found

    def _owner(self, call: Call) -> bytes:
        """Return whose call it is, and of which operation."""
        decision = call.decision
        if decision is None:
            return _owner_fields(call)
        found = self._owners.get(decision.meter_key)
        if found is None:
            if len(self._owners) >= _MAX_REMEMBERED:
                self._owners.clear()
            found = self._owners[decision.meter_key] = _owner_fields(call)
        return found


def _owner_fields(call: Call) -> bytes:
    decision, route = call.decision, call.route
    fields = {
        "api": route.api.slug if route else "",
        "operation": route.operation.id if route else "",
        "client_id": decision.entitlement.subscription.client_id if decision else "",
        "subscription": decision.entitlement.subscription.id if decision else "",
    }
    return json.dumps(fields, separators=(",", ":"))[1:-1].encode()


def _trace_id(call: Call) -> bytes:
    for name, _ in call.inbound.headers:
        if name == b"traceparent":
            context = trace_context.read_context(call.inbound.headers)
            return context.trace_id if context else b""
    return b""


def _quoted(text: str) -> bytes:
    return b'"%b"' % text.encode() if text.isalnum() else json.dumps(text).encode()


def _quoted_path(path: bytes) -> bytes:
    if (path.find(b"tg") >= 0 or path.find(b"eyJ") >= 0) and _TOKEN_LIKE.search(path):
        path = _TOKEN_LIKE.sub(b"[redacted]", path)
    if not path.translate(None, _PLAIN):
        return b'"%b"' % path
    return json.dumps(path.decode("latin-1")).encode()


def _upstream_seconds(call: Call) -> bytes:
    """Return how long the call waited for the head of its upstream's answer; null: it never did."""
    extras = call.extras
    if extras is None or not extras.upstream_until:
        return b"null"
    return b"%.6f" % (extras.upstream_until - extras.upstream_from)
