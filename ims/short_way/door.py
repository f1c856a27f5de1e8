"""Which requests are answered on the event loop, and by what."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from ims.short_way import introspect, issue
from ims.short_way.answer import Answer
from ims.short_way.connection import PipelineLost
from ims.short_way.introspect import Introspection
from ims.short_way.issue import ClientTokens
from ims.short_way.pipeline import Pipeline
from ims.short_way.plain_request import PlainRequest, parse_form


class _Call(NamedTuple):
    parameters: frozenset[str]
    answer: Callable[[PlainRequest], Awaitable[Answer | None]]


class Door:
    """Answers plain requests at the addresses that it knows; None leaves them to the view.

    Nothing is refused here: the view says why, counts guesses and writes the audit log.
    """

    def __init__(self) -> None:
        self.pipeline = Pipeline((issue.LOOK_UP, issue.ISSUE, introspect.INTROSPECT))
        self._calls: Mapping[str, _Call] = {
            "/oauth/token": _Call(issue.PARAMETERS, ClientTokens(self.pipeline).answer),
            "/oauth/introspect": _Call(introspect.PARAMETERS, Introspection(self.pipeline).answer),
        }

    async def answer(self, scope: Any, headers: dict[bytes, bytes], body: bytes) -> Answer | None:
        """Return the answer to a form POST at `path`, or None."""
        call = self._calls.get(scope["path"])
        if call is None or len(headers) != len(scope["headers"]):
            return None  # a header that came twice is for the view to judge
        form = parse_form(body, call.parameters)
        if form is None:
            return None
        client = scope.get("client")
        try:
            return await call.answer(PlainRequest(headers, form, client[0] if client else ""))
        except PipelineLost:
            # The view asks again: a token that was stored and that nobody got is harmless.
            return None
