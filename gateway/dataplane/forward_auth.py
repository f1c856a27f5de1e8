"""Every stage but the forward, for those who have a proxy already.

The proxy asks whether a call that it holds may go on; the answer is 200 with the fields to set on
that call, or the refusal that its client gets. Two ways to ask, both on a private port:

- `/-/forward-auth/<target>`, with the call's own method (Envoy's `path_prefix`);
- `/-/forward-auth`, with X-Forwarded-Method and X-Forwarded-Uri (Traefik, Caddy) or
  X-Original-Method and X-Original-URI (nginx).

The port believes what it is told about the client: only the proxy may reach it.
"""

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final, cast

from gateway.counters import NO_SERIES
from gateway.dataplane import websocket
from gateway.dataplane.call import Fields, Inbound
from gateway.dataplane.errors import BadRequest, NotFound, Refusal, render
from gateway.dataplane.forward import answer_fields
from gateway.dataplane.pipeline import CHECKS, Stage, serve_call
from gateway.usage.segment import BY_UPSTREAM

if TYPE_CHECKING:
    from gateway.dataplane.call import Call
    from gateway.dataplane.plane import Plane

PATH: Final = b"/-/forward-auth"
_PREFIX: Final = PATH + b"/"
_PAIRS: Final = (
    (b"x-forwarded-method", b"x-forwarded-uri"),
    (b"x-original-method", b"x-original-uri"),
)
# What describes the question, not the call it is about; some are read, and translated.
_OF_THE_QUESTION: Final = frozenset(
    {
        b"host",
        b"content-length",
        b"transfer-encoding",
        b"expect",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-method",
        b"x-forwarded-proto",
        b"x-forwarded-uri",
        b"x-original-content-length",
        b"x-original-method",
        b"x-original-uri",
    }
)
# Whoever called the proxy may have sent it; the proxy itself does not say what it has seen.
_NOT_FOR_STAGES: Final = _OF_THE_QUESTION | {b"client-cert"}
_ONLY_QUERY: Final = b"only="
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403


class Question:
    """The call that a proxy asks about, in the shape that the stages read (`call.Inbound`)."""

    announces_body: Final = True
    may_switch: Final = False

    def __init__(self, asked: Inbound) -> None:
        """Read what the proxy says. Raises Refusal where it does not name one call."""
        self._asked = asked
        said = _said(asked.headers)
        self._is_by_prefix = asked.raw_path.startswith(_PREFIX)
        if self._is_by_prefix:
            self.method = asked.method
            self.raw_path = asked.raw_path[len(PATH) :]
            self.query = asked.query
        elif asked.raw_path == PATH:
            self.method, self.raw_path, self.query = _described(said)
        else:
            raise NotFound("This port answers /-/forward-auth.")
        self._statuses = _only(asked.query) if not self._is_by_prefix else frozenset()
        scheme = said.get(b"x-forwarded-proto", b"").lower()
        self.scheme = scheme.decode() if scheme in {b"http", b"https"} else asked.scheme
        self.headers: Fields = [f for f in asked.headers if f[0] not in _NOT_FOR_STAGES]
        self.headers.append((b"host", said.get(b"x-forwarded-host") or said.get(b"host", b"")))
        if length := said.get(b"x-original-content-length"):
            self.headers.append((b"content-length", length))
        before, _, last = said.get(b"x-forwarded-for", b"").rpartition(b",")
        self.peer = last.strip().decode("latin-1")
        if before.strip():
            self.headers.append((b"x-forwarded-for", before))
        self.is_approved = False

    @property
    def call(self) -> "Call | None":
        """The call under way; whoever holds the connection tells it when the proxy leaves."""
        return self._asked.call

    @call.setter
    def call(self, call: "Call | None") -> None:
        self._asked.call = call

    async def read(self) -> bytes:
        """Return b"": the body stays at the proxy."""
        return b""

    def answer(
        self, status: int, fields: Fields, body: bytes, *, length: int = -1, closes: bool = False
    ) -> Awaitable[None] | None:
        """Send the answer to the proxy, in a status that it understands."""
        told = self._status_for_proxy(status)
        if told != status:
            fields = [*fields, (b"x-tollgate-status", b"%d" % status)]
        return self._asked.answer(told, fields, body, length=length, closes=closes)

    def begin(self, status: int, fields: Fields, *, length: int = -1, closes: bool = False) -> None:
        """Never called: nothing is streamed."""
        raise NotImplementedError

    def write(self, piece: bytes) -> Awaitable[None] | None:
        """Never called: nothing is streamed."""
        raise NotImplementedError

    def finish(self, last: bytes = b"") -> Awaitable[None] | None:
        """Never called: nothing is streamed."""
        raise NotImplementedError

    def switch(self, fields: Fields, successor: object) -> None:
        """Never called: see `may_switch`."""
        raise NotImplementedError

    def close(self) -> None:
        """End the question."""
        self._asked.close()

    def _status_for_proxy(self, status: int) -> int:
        """Return a status that means yes only where the call may go on.

        What we answer ourselves (OPTIONS, RFC 9728 documents) is a success, but not leave to
        forward. Envoy takes nothing but 200 for a yes and hands on the rest; others take any 2xx.
        """
        if self.is_approved:
            return status
        is_yes = status == 200 if self._is_by_prefix else 200 <= status < 300
        if is_yes or (self._statuses and status not in self._statuses):
            return _FORBIDDEN
        return status


async def serve_question(plane: "Plane", asked: Inbound) -> None:
    """Answer one question of a proxy."""
    try:
        question = Question(asked)
    except Refusal as refusal:
        await _refuse(plane, asked, refusal)
        return
    await serve_call(plane, question, _STAGES)


def approve(plane: "Plane", call: "Call") -> Awaitable[None] | None:
    """Answer yes, with the fields that the call goes on with.

    It is counted as served: what the upstream makes of it, only the proxy knows. A proxy that hides
    Upgrade from us has to know itself which APIs offer WebSockets.
    """
    del plane
    if call.extras is not None and call.extras.wants_websocket:
        websocket.check_offer(call)
    call.status = 200
    call.cause = BY_UPSTREAM
    cast("Question", call.inbound).is_approved = True
    fields = answer_fields(call)
    fields.append((b"authorization", call.phantom.authorization))
    return call.inbound.answer(200, fields, b"")


async def _refuse(plane: "Plane", asked: Inbound, refusal: Refusal) -> None:
    """Answer a question that is none."""
    request_id = plane.next_request_id()
    fields, body = render(refusal, request_id, [(b"x-request-id", request_id)])
    plane.counters.observe(NO_SERIES, refusal.status, 0, 0, len(body))
    waiting = asked.answer(refusal.status, fields, body)
    if waiting is not None:
        await waiting
    asked.close()


def _said(fields: Fields) -> dict[bytes, bytes]:
    """Return the fields that describe the call; X-Forwarded-For is a list, the others are one."""
    said: dict[bytes, bytes] = {}
    for name, value in fields:
        if name not in _OF_THE_QUESTION:
            continue
        if name not in said:
            said[name] = value
        elif name == b"x-forwarded-for":
            said[name] += b"," + value
        else:
            raise BadRequest(f"There is more than one {name.decode()} field.")
    return said


def _described(said: dict[bytes, bytes]) -> tuple[str, bytes, bytes]:
    """Return method, path and query of the call; one description, or several that agree."""
    found = {(said[m], said[u]) for m, u in _PAIRS if m in said and u in said}
    if len(found) != 1:
        raise BadRequest(
            "Say which call this is about, once: X-Forwarded-Method and X-Forwarded-Uri, or "
            "X-Original-Method and X-Original-URI."
        )
    method, target = found.pop()
    path, _, query = target.partition(b"?")
    return method.decode("latin-1"), path, query


def _only(query: bytes) -> frozenset[int]:
    """Return the statuses of `only=401,403`: any other refusal becomes 403."""
    if not query:
        return frozenset()
    numbers = query[len(_ONLY_QUERY) :].split(b",")
    if not query.startswith(_ONLY_QUERY) or not all(number.isdigit() for number in numbers):
        raise BadRequest(
            "only: statuses with commas between them are expected, as in only=401,403."
        )
    statuses = frozenset(map(int, numbers))
    if not {_UNAUTHORIZED, _FORBIDDEN} <= statuses:
        raise BadRequest("only: 401 and 403 must be among the statuses.")
    return statuses


_STAGES: Final[tuple[Stage, ...]] = (*CHECKS, approve)
