"""One call on its way through the pipeline: what each stage found out, for the next ones."""

from typing import TYPE_CHECKING, Any, Protocol

from gateway.usage.segment import BY_CLIENT

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable

    from gateway.dataplane.allowance import Allowance
    from gateway.dataplane.configuration import Configuration
    from gateway.dataplane.decision import Decision
    from gateway.dataplane.phantom_token import PhantomToken
    from gateway.dataplane.routing import Route
    from gateway.upstream.client import UpstreamResponse
    from gateway.upstream.websocket import Side

Fields = list[tuple[bytes, bytes]]


class Inbound(Protocol):
    """A request as it comes in, and the way back to its client (`gateway.front`)."""

    method: str
    raw_path: bytes
    query: bytes
    headers: Fields  # names in lower case
    scheme: str
    peer: str  # the client's address; "" where there is none
    call: "Call | None"  # whom to tell when the client leaves

    @property
    def announces_body(self) -> bool:
        """Whether a body always has a header field that says so."""

    async def read(self) -> bytes:
        """Return the next bytes of the body; b"" at the end. Raises Refusal."""

    def answer(
        self, status: int, fields: Fields, body: bytes, *, length: int = -1, closes: bool = False
    ) -> "Awaitable[None] | None":
        """Send the whole answer; `length` is that of the body a HEAD does not get.

        Meters the call directly before the last bytes leave. They have not left yet where something
        to wait for is returned.
        """

    def begin(self, status: int, fields: Fields, *, length: int = -1, closes: bool = False) -> None:
        """Send the head of an answer whose body follows."""

    def write(self, piece: bytes) -> "Awaitable[None] | None":
        """Send a piece of the body; wait for what is returned before the next."""

    def finish(self, last: bytes = b"") -> "Awaitable[None] | None":
        """Send the last piece of the body, and with it the end; as `answer` does."""

    @property
    def may_switch(self) -> bool:
        """Whether the connection can change its protocol."""

    def switch(self, fields: Fields, successor: "Side") -> None:
        """Answer 101 and leave the connection to `successor`."""

    def close(self) -> None:
        """Cut the connection if the answer is not complete."""


class Extras:
    """What few calls have: most never make this object."""

    __slots__ = (
        "answer_fields",
        "client_certificate",
        "dpop_proof",
        "is_dpop",
        "origin",
        "problem",
        "upstream_from",
        "upstream_until",
        "wants_websocket",
    )

    def __init__(self) -> None:
        self.is_dpop = False  # the scheme of the Authorization header
        self.dpop_proof = b""
        self.client_certificate = b""  # the Client-Cert field, whoever sent it
        self.origin = b""
        self.wants_websocket = False
        self.problem = ""  # the type of the gateway's own refusal
        self.upstream_from = self.upstream_until = 0.0  # time.monotonic; 0: not asked, or not timed
        self.answer_fields: Fields = []  # which the answer gets too, whatever it is


class Call:
    """Filled in from top to bottom; a field may be read by the stages after its own.

    A field without a value here has none before its stage: only later stages read it.
    """

    __slots__ = (
        "allowance",
        "authorization",
        "cause",
        "chunked",
        "client_address",
        "client_gone",
        "configuration",
        "content_length",
        "decision",
        "digest",
        "extras",
        "fields",
        "forwarded_host",
        "has_read_body",
        "host",
        "inbound",
        "is_metered",
        "is_waiting",
        "method",
        "phantom",
        "raw_path",
        "request_bytes",
        "request_id",
        "response",
        "response_bytes",
        "route",
        "scheme",
        "seconds",
        "started",
        "status",
        "task",
        "token",
    )

    def __init__(self, inbound: Inbound, started: float) -> None:
        self.inbound = inbound
        self.started = started  # time.monotonic
        self.method = inbound.method
        self.raw_path = inbound.raw_path
        # Where it comes from: the peer, or what a trusted hop says of the client (`trusted_hops`).
        self.client_address = inbound.peer
        self.scheme = inbound.scheme
        self.forwarded_host = b""
        # Request hygiene.
        self.request_id = b""
        self.fields: list[tuple[bytes, bytes]] = []  # what may be forwarded
        self.host = b""
        self.authorization: bytes | None = None
        self.extras: Extras | None = None  # made where there is something to note
        self.content_length: int | None = None
        self.chunked = False
        self.has_read_body = True
        # Route.
        self.configuration: Configuration
        self.route: Route | None = None
        # Token.
        self.token = self.digest = b""
        self.phantom: PhantomToken
        self.decision: Decision | None = None
        self.allowance: Allowance | None = None
        # Forward.
        self.task: asyncio.Task[Any] | None = None
        self.is_waiting = False  # for the upstream's response head
        self.response: UpstreamResponse | None = None  # while it streams
        self.client_gone = False
        self.request_bytes = self.response_bytes = 0
        self.status = 0  # 0 until the answer has begun
        self.cause = BY_CLIENT  # whose doing the status is
        self.is_metered = False
        self.seconds = 0.0  # that it took, once it is metered

    def note(self) -> "Extras":
        """Return where that is noted which most calls do not have."""
        extras = self.extras
        if extras is None:
            extras = self.extras = Extras()
        return extras

    def client_left(self) -> None:
        """Stop working for a client that has gone."""
        self.client_gone = True
        if self.response is not None:
            self.response.abort()
        elif self.is_waiting and self.task is not None:
            self.task.cancel()
