"""What goes back, as ASGI sends it."""

from typing import NamedTuple

Header = tuple[bytes, bytes]


class Answer(NamedTuple):
    """A response, without the headers that all of ours have."""

    status: int
    headers: tuple[Header, ...]
    body: bytes
