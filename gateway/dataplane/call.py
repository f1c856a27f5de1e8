"""One call on its way through the pipeline: what each stage found out, for the next ones."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

    from gateway.dataplane.configuration import Configuration
    from gateway.dataplane.decision import Decision
    from gateway.dataplane.phantom_token import PhantomToken
    from gateway.dataplane.routing import Route
    from gateway.upstream.client import UpstreamResponse

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Call:
    """Filled in from top to bottom; a field may be read by the stages after its own.

    A field without a value here has none before its stage: only later stages read it.
    """

    __slots__ = (
        "authorization",
        "chunked",
        "client_gone",
        "configuration",
        "content_length",
        "decision",
        "digest",
        "expects_continue",
        "fields",
        "has_read_body",
        "host",
        "is_waiting",
        "method",
        "phantom",
        "raw_path",
        "receive",
        "request_bytes",
        "request_id",
        "response",
        "response_bytes",
        "route",
        "scope",
        "send",
        "started",
        "status",
        "task",
        "token",
        "watch",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send, started: float) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.started = started  # time.monotonic
        self.method: str = scope["method"]
        self.raw_path: bytes = scope["raw_path"]
        # Request hygiene.
        self.request_id = b""
        self.fields: list[tuple[bytes, bytes]] = []  # what may be forwarded
        self.host = b""
        self.authorization: bytes | None = None
        self.content_length: int | None = None
        self.chunked = False
        self.expects_continue = False
        self.has_read_body = True
        # Route.
        self.configuration: Configuration
        self.route: Route | None = None
        # Token.
        self.token = b""
        self.digest = b""
        self.phantom: PhantomToken
        self.decision: Decision | None = None
        # Forward.
        self.task: asyncio.Task[Any] | None = None
        self.is_waiting = False  # for the upstream's response head
        self.response: UpstreamResponse | None = None  # while it streams
        self.watch: asyncio.Task[None] | None = None  # waits for the client to leave
        self.client_gone = False
        self.request_bytes = 0
        self.response_bytes = 0
        self.status = 0  # 0 until the answer has begun
