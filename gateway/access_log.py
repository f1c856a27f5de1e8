"""One line of JSON per call, written in batches by a task of its own.

No query string, no header, no token: of a token the first 8 hexadecimal digits of its digest.
"""

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any, Final

from gateway.dataplane.call import Call
from gateway.tracing import trace_context
from gateway.usage.segment import BY_CLIENT, BY_GATEWAY, BY_UPSTREAM

# Somebody will put a credential in a path one day: ours by their prefix, JWTs by their beginning.
_TOKEN_LIKE: Final = re.compile(r"tg[a-z]{2}_[0-9A-Za-z]+|eyJ[0-9A-Za-z_\-]+[.0-9A-Za-z_\-]*")
_CAUSES: Final = {BY_CLIENT: "client", BY_UPSTREAM: "upstream", BY_GATEWAY: "gateway"}
_FLUSH_SECONDS: Final = 0.5
_MAX_WAITING: Final = 20_000  # lines beyond it are dropped and counted: memory is not a log


class JSONAccessLog:
    """Collects calls; `run` writes them."""

    def __init__(self, target: str, worker: int) -> None:
        """`target` is a path, or "-" for standard output. Raises OSError."""
        # Open as long as the worker lives.
        self._file = sys.stdout.buffer if target == "-" else Path(target).open("ab", buffering=0)  # noqa: SIM115
        self._worker = worker
        self._waiting: list[tuple[Any, ...]] = []
        self._dropped = 0

    def write(self, call: Call, seconds: float, unix_now: float) -> None:
        """Take note of a finished call; formatting and writing come later."""
        if len(self._waiting) >= _MAX_WAITING:
            self._dropped += 1
            return
        self._waiting.append((call, seconds, unix_now, call.status, call.response_bytes))

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

    def _write_lines(self, waiting: list[tuple[Any, ...]], dropped: int) -> None:
        lines = [json.dumps(self._line(*row), separators=(",", ":")) for row in waiting]
        if dropped:
            lines.append(json.dumps({"dropped": dropped, "worker": self._worker}))
        self._file.write(("\n".join(lines) + "\n").encode())
        self._file.flush()

    def _line(
        self, call: Call, seconds: float, unix_now: float, status: int, response_bytes: int
    ) -> dict[str, object]:
        decision, route, extras = call.decision, call.route, call.extras
        context = trace_context.read_context(call.inbound.headers)
        return {
            "time": round(unix_now, 3),
            "request_id": call.request_id.decode("ascii"),
            "trace_id": context.trace_id.decode() if context else "",
            "method": call.method,
            "path": _TOKEN_LIKE.sub("[redacted]", call.raw_path.decode("latin-1")),
            "status": status,
            "cause": _CAUSES.get(call.cause, ""),
            "problem": extras.problem if extras else "",
            "seconds": round(seconds, 6),
            "upstream_seconds": _upstream_seconds(call),
            "request_bytes": call.request_bytes,
            "response_bytes": response_bytes,
            "client": call.client_address,
            "api": route.api.slug if route else "",
            "operation": route.operation.id if route else "",
            "client_id": decision.entitlement.subscription.client_id if decision else "",
            "subscription": decision.entitlement.subscription.id if decision else "",
            "token_digest": call.digest.hex()[:8],
            "worker": self._worker,
        }


def _upstream_seconds(call: Call) -> float | None:
    """Return how long the call waited for the head of its upstream's answer; None: it never did."""
    extras = call.extras
    if extras is None or not extras.upstream_until:
        return None
    return round(extras.upstream_until - extras.upstream_from, 6)
