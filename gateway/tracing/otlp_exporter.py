"""Spans to a collector over OTLP/HTTP, as JSON, in batches (ADR-0016).

What waits is bounded: spans that come faster than the collector takes them are dropped and counted,
never kept at the expense of calls.
"""

import asyncio
import json
import logging
from collections import deque
from dataclasses import dataclass
from typing import Any, Final

from gateway.counters import Counters
from gateway.origin_client import OriginClient, OriginUnreachable
from gateway.tracing.settings import TraceSettings
from gateway.tracing.tracer import Attributes, Span, Tracer

_SECONDS: Final = 1.0
_MOST_WAITING: Final = 4096
_BATCH: Final = 512
_PATIENCE_SECONDS: Final = 10.0
# OTLP/HTTP, "Retryable Response Codes"; anything else would be refused again.
_RETRYABLE: Final = frozenset({429, 502, 503, 504})

_log = logging.getLogger(__name__)


class OTLPExporter:
    """Collects spans; `run` sends them."""

    def __init__(
        self, settings: TraceSettings, *, node: str, counters: Counters, ca_pem: str = ""
    ) -> None:
        self._url = f"{settings.endpoint}/v1/traces"
        self._headers = [(b"content-type", b"application/json"), *settings.headers]
        self._node = node
        self._counters = counters
        self._client = OriginClient(ca_pem=ca_pem, patience_seconds=_PATIENCE_SECONDS)
        self._waiting: deque[Span] = deque()

    def take(self, span: Span) -> None:
        """Keep a span until it is sent, or drop it."""
        if len(self._waiting) >= _MOST_WAITING:
            self._counters.add("spans_dropped")
            return
        self._waiting.append(span)

    async def run(self) -> None:
        """Send what has come in, every second, for ever."""
        while True:
            await asyncio.sleep(_SECONDS)
            while self._waiting and await self._send_batch():
                pass

    async def flush(self) -> None:
        """Send what has come in, once."""
        while self._waiting and await self._send_batch():
            pass

    async def close(self) -> None:
        """Send what there is, once, and close the connections."""
        await self.flush()
        await self._client.close()

    async def _send_batch(self) -> bool:
        """Whether the next batch may follow at once."""
        batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
        body = await asyncio.to_thread(encode, batch, self._node)
        try:
            answer = await self._client.request(b"POST", self._url, self._headers, body)
        except OriginUnreachable as error:
            _log.info("spans wait: %s", error)
            self._put_back(batch)
            return False
        if answer.status in _RETRYABLE:
            self._put_back(batch)
            return False
        if answer.status != 200:
            self._counters.add("spans_dropped", len(batch))
            _log.warning("the collector answered %d to %d spans", answer.status, len(batch))
            return True
        self._counters.add("spans_sent", len(batch))
        return True

    def _put_back(self, batch: list[Span]) -> None:
        room = _MOST_WAITING - len(self._waiting)
        if room < len(batch):
            self._counters.add("spans_dropped", len(batch) - room)
        self._waiting.extendleft(reversed(batch[len(batch) - room :] if room else []))


@dataclass(frozen=True, slots=True)
class Tracing:
    """Both ends of it: who makes spans, who sends them."""

    tracer: Tracer
    exporter: OTLPExporter

    async def run(self) -> None:
        """Send spans for ever."""
        await self.exporter.run()

    async def close(self) -> None:
        """Send what there is, and close the connections."""
        await self.exporter.close()


def encode(spans: list[Span], node: str) -> bytes:
    """Return an ExportTraceServiceRequest as JSON (OTLP 1.x: ids in hexadecimal)."""
    resource: Attributes = {"service.name": "tollgate-gateway", "service.instance.id": node}
    document = {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(resource)},
                "scopeSpans": [
                    {"scope": {"name": "tollgate"}, "spans": [_span(span) for span in spans]}
                ],
            }
        ]
    }
    return json.dumps(document, separators=(",", ":")).encode()


def _span(span: Span) -> dict[str, Any]:
    found: dict[str, Any] = {
        "traceId": span.trace_id.decode(),
        "spanId": span.span_id.decode(),
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": str(span.started),
        "endTimeUnixNano": str(span.ended),
        "attributes": _attributes(span.attributes),
        "status": {"code": 2} if span.is_error else {},
    }
    if span.parent_id:
        found["parentSpanId"] = span.parent_id.decode()
    if span.state:
        found["traceState"] = span.state.decode("ascii")
    if span.links:
        found["links"] = [
            {"traceId": link.trace_id.decode(), "spanId": link.span_id.decode()}
            for link in span.links
        ]
    return found


def _attributes(attributes: Attributes) -> list[dict[str, Any]]:
    return [
        {
            "key": key,
            "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value},
        }
        for key, value in attributes.items()
    ]
