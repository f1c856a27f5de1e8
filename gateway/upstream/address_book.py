"""Which addresses a host stands for: asked again in time, and judged before anybody connects.

A connection is made to an address that was looked at, never to a name: what a name server says to a
second question (rebinding) leads nowhere.
"""

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

from gateway.upstream import errors
from wire.addresses import Address, parse_address

Resolver = Callable[[str, int], Awaitable[list[str]]]
Judge = Callable[[Address], bool]

MAX_AGE_SECONDS: Final = 10.0
# Some name servers give out a few of many addresses at a time: one that was absent once still is.
VANISHED_AFTER_SECONDS: Final = 30.0
# A name server that is away must not take the API with it; what it said last is good for so long.
_MAX_STALE_SECONDS: Final = 600.0

_log = logging.getLogger(__name__)


async def resolve_name(host: str, port: int) -> list[str]:
    """Return what the system's resolver says. Raises OSError and UnicodeError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class AddressBook:
    """The addresses of one host. One question is under way at a time; who needs it waits for it."""

    def __init__(
        self, host: str, port: int, *, judge: Judge | None = None, resolver: Resolver | None = None
    ) -> None:
        """`judge` says which addresses may be connected to; None: all."""
        self._host = host
        self._port = port
        self._judge = judge
        self._resolver: Resolver = resolver or resolve_name
        self._is_literal = parse_address(host) is not None
        self._answer: list[str] = [host] if self._is_literal else []
        self._seen: dict[str, float] = {}  # when an address was last in an answer
        self._asked_at = 0.0  # time.monotonic; of the answer that is in use
        self._turn = 0
        self._told = ""
        self._question: asyncio.Task[None] | None = None
        self.on_answer: Callable[[], None] | None = None

    async def look_up(self) -> list[str]:
        """Return the addresses to try, each first in its turn.

        Raises ConnectFailed (there is none) and AddressForbidden (one of them is not allowed, which
        spoils all: honest names do not have any).
        """
        if not self._is_literal and self._is_old(time.monotonic()):
            await self._ask()
        answer = self._answer
        self._check(answer)
        self._turn = (self._turn + 1) % len(answer)
        return answer[self._turn :] + answer[: self._turn]

    def touch(self) -> None:
        """Ask in the background when the answer is old; connections may be to old addresses."""
        if not self._is_literal and self._question is None and self._is_old(time.monotonic()):
            self._question = self._begin()

    def has_vanished(self, address: str) -> bool:
        """Whether no answer of the last 30 s had `address`."""
        if self._is_literal:
            return False
        return self._asked_at - self._seen.get(address, 0.0) > VANISHED_AFTER_SECONDS

    def close(self) -> None:
        """Ask no more."""
        if self._question is not None:
            self._question.cancel()

    def _is_old(self, now: float) -> bool:
        return not self._answer or now - self._asked_at > MAX_AGE_SECONDS

    async def _ask(self) -> None:
        # Shielded: who gives up must not take the answer from the others.
        if self._question is None:
            self._question = self._begin()
        await asyncio.shield(self._question)

    def _begin(self) -> "asyncio.Task[None]":
        question = asyncio.get_running_loop().create_task(self._resolve())
        question.add_done_callback(self._end)
        return question

    def _end(self, question: "asyncio.Task[None]") -> None:
        self._question = None
        if not question.cancelled():
            question.exception()  # those who wait have it; nobody waits in the background

    async def _resolve(self) -> None:
        try:
            found = await self._resolver(self._host, self._port)
        except (OSError, UnicodeError) as error:
            if time.monotonic() - self._asked_at > _MAX_STALE_SECONDS or not self._answer:
                self._answer = []
                raise errors.ConnectFailed(f"{self._host} does not resolve: {error}") from error
            return
        now = self._asked_at = time.monotonic()
        self._answer = list(dict.fromkeys(found))
        self._seen = {
            address: at
            for address, at in self._seen.items()
            if now - at <= VANISHED_AFTER_SECONDS and address not in self._answer
        } | dict.fromkeys(self._answer, now)
        if self.on_answer is not None:
            self.on_answer()

    def _check(self, answer: list[str]) -> None:
        if not answer:
            raise errors.ConnectFailed(f"{self._host} has no address.")
        if self._judge is None:
            return
        for text in answer:
            address = parse_address(text)
            if address is None or not self._judge(address):
                self._refuse(text)

    def _refuse(self, text: str) -> NoReturn:
        message = f"{self._host} stands for {text}, which calls may not be forwarded to."
        if text != self._told:  # once, not for every call
            self._told = text
            _log.warning("%s Set allow_internal on the upstream if that is meant.", message)
        raise errors.AddressForbidden(message)
