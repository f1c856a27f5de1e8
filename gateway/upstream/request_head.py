"""RFC 9112 §2, §3 and §5: the head of a request as bytes, and nothing that could be read as two."""

import re
from typing import Final

Headers = list[tuple[bytes, bytes]]

# These describe the connection, which is ours alone: a second opinion is request smuggling.
_RESERVED: Final = frozenset(
    {
        b"host",
        b"content-length",
        b"transfer-encoding",
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"upgrade",
    }
)
_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 §5.6.2
_NO_TARGET: Final = re.compile(rb"[^!-~\x80-\xff]")
# Methods for which an absent body is the rule (RFC 9110 §8.6: no Content-Length is sent then).
_BODYLESS: Final = frozenset({b"GET", b"HEAD", b"DELETE", b"OPTIONS", b"TRACE"})
_MAX_REMEMBERED: Final = 2048
_MAX_REMEMBERED_LENGTH: Final = 64

# `b"…" in data` first tries whether the bytes are a number, and the error it swallows costs more
# than the search; numbers are searched for at once, and `find` takes bytes for bytes.
_CR: Final = 0x0D
_LF: Final = 0x0A
_NUL: Final = 0x00
_END: Final = b"\r\n"  # after the last line's own

_join_lines = b"\r\n".join

# Header names that passed `_check_name` before.
_good_names: set[bytes] = set()
_good_methods: set[bytes] = {b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"}


def encode_head(
    method: bytes, target: bytes, host_line: bytes, headers: Headers, framing: tuple[bytes, ...]
) -> bytes:
    """Return the request line, `host_line`, `headers` verbatim and `framing`, with the blank line.

    Raises ValueError for CR, LF or NUL anywhere, for a method or name that is no token, a target
    that is not in origin form, and for a header that describes the connection or the framing.
    """
    if method not in _good_methods:
        _check_method(method)
    check_target(target)
    lines = [method + b" " + target + b" HTTP/1.1", host_line]
    values = []
    for name, value in headers:
        if name not in _good_names:
            _check_name(name)
        lines.append(name + b": " + value)
        values.append(value)
    # Everything else on a line is checked above or ours. One search per octet over all values
    # together costs a third of looking at each.
    together = b"".join(values)
    if _CR in together or _LF in together or _NUL in together:
        raise ValueError("headers: a value holds CR, LF or NUL.")
    lines.extend(framing)
    lines.append(_END)
    return _join_lines(lines)


def check_target(target: bytes) -> None:
    """Raise ValueError unless `target` is an origin form, or `*` (RFC 9112 §3.2)."""
    if (target[:1] != b"/" and target != b"*") or _NO_TARGET.search(target):
        raise ValueError("target: a path that starts with / and holds no space is expected.")


def framing_of(method: bytes, length: int | None) -> tuple[bytes, ...]:
    """Return the header lines that delimit a body of `length` bytes; None is chunked."""
    if length is None:
        return (b"Transfer-Encoding: chunked",)
    if length == 0 and method in _BODYLESS:
        return ()
    return (b"Content-Length: %d" % length,)


def _check_method(method: bytes) -> None:
    # CONNECT would turn the connection into a tunnel that no one frames any more.
    if not _TOKEN.fullmatch(method) or method == b"CONNECT":
        raise ValueError("method: a token other than CONNECT is expected.")


def _check_name(name: bytes) -> None:
    if not _TOKEN.fullmatch(name):
        raise ValueError("headers: a name is not a token (RFC 9110 §5.6.2).")
    if name.lower() in _RESERVED:
        raise ValueError(f"headers: {name.decode()} is written by the upstream client alone.")
    # Clients choose names, so the memory for them is bounded.
    if len(_good_names) < _MAX_REMEMBERED and len(name) <= _MAX_REMEMBERED_LENGTH:
        _good_names.add(name)
