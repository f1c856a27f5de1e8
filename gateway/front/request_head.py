"""RFC 9112 §2, §3 and §6: what llhttp leaves open about a request's head.

llhttp refuses bare LF, line folding, control characters, space before a colon, a contradictory or
unreadable Content-Length, and Transfer-Encoding beside it. It lets pass, and is corrected here:
several spaces in the request line, RTSP/1.1 for HTTP/1.1, HTTP/0.9, any version 2.0, codings before
`chunked`, chunked in HTTP/1.0, a missing or repeated Host, space after a value.
"""

import re
from collections.abc import Callable
from typing import Final

import httptools

from gateway.dataplane.call import Fields
from gateway.dataplane.errors import BadRequest, HeadersTooLarge, MethodNotImplemented, Refusal
from gateway.front.errors import (
    BadFraming,
    ConflictingFraming,
    ExpectationFailed,
    TransferCodingNotImplemented,
    VersionNotSupported,
)

_EMPTY_LINE: Final = b"\r\n\r\n"
_VERSION: Final = re.compile(rb"[^\r\n]* HTTP/([0-9])\.([0-9])")
_METHOD: Final = re.compile(rb"(?:\r\n)*[!#$%&'*+\-.^_`|~0-9A-Za-z]+ ")
_LENGTH_NAME: Final = re.compile(rb"\ncontent-length[ \t]*:", re.IGNORECASE)
_CODING_NAME: Final = re.compile(rb"\ntransfer-encoding[ \t]*:", re.IGNORECASE)
_ABSOLUTE: Final = re.compile(rb"(?i:https?)://([^/?#@\\]+)(/[^?]*)?(?:\?(.*))?")
_LOOKED_AT: Final = frozenset({b"host", b"transfer-encoding", b"expect"})
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})
METHODS: Final = {
    name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
}


def only_framing(fields: Fields) -> bytes:
    """Return a head that says of its body what `fields` say of theirs; b"" for nothing."""
    framing = [b"%b: %b\r\n" % field for field in fields if field[0] in _FRAMING]
    return b"".join([b"POST / HTTP/1.1\r\n", *framing, b"\r\n"]) if framing else b""


def is_http11(head: bytes, method: bytes, target: bytes) -> bool:
    """Return whether the version is 1.1 (else it is 1.0); one space stands between three parts.

    Raises VersionNotSupported and BadRequest. Empty lines before are let pass (RFC 9112 §2.2).
    """
    while head.startswith(b"\r\n"):
        head = head[2:]
    start = b"%b %b HTTP/1." % (method, target)
    if head.startswith(start):
        minor = head[len(start) : len(start) + 3]
        if minor in {b"0\r\n", b"1\r\n"}:
            return minor == b"1\r\n"
    raise _explain_version(head) or BadRequest("The request line is not: method target HTTP/1.1.")


def check_fields(fields: Fields, *, is_11: bool, max_lines: int) -> bool:
    """Return whether the client waits for 100 Continue. Raises a Refusal for what is not one."""
    if len(fields) > max_lines:
        raise HeadersTooLarge(f"A request may have {max_lines} header fields.")
    hosts = 0
    codings = []
    expects_continue = False
    for name, value in fields:
        if name in _LOOKED_AT:
            if name == b"host":
                hosts += 1
            elif name == b"expect":
                expects_continue = _read_expectation(value)
            else:
                codings.append(value)
    if hosts != 1 and (is_11 or hosts):
        raise BadRequest("A request has exactly one Host header (RFC 9112 §3.2).")
    if codings:
        _check_codings(codings, is_11=is_11)
    return expects_continue and is_11  # a client of HTTP/1.0 does not know 100 (RFC 9110 §10.1.1)


def strip_values(fields: Fields) -> None:
    """Take off the space after the values, which is no part of them."""
    for at, (name, value) in enumerate(fields):
        if value and value[-1] in (0x20, 0x09):
            fields[at] = (name, value.rstrip(b" \t"))


def split_target(target: bytes, fields: Fields) -> tuple[bytes, bytes, Fields]:
    """Return path, query and the fields; the authority of an absolute form is Host (§3.2.2)."""
    if target[:1] == b"/" or b"://" not in target:
        path, _, query = target.partition(b"?")
        return path, query, fields
    match = _ABSOLUTE.fullmatch(target)
    if match is None:
        raise BadRequest("The request target is no http or https URL.")
    host, path, query = match.group(1), match.group(2) or b"/", match.group(3) or b""
    fields = [(name, host if name == b"host" else value) for name, value in fields]
    return path, query, fields


def after_empty_line(tail: bytes, data: bytes, at: int) -> int:
    """Return where the first empty line from `at` on ends, or the end of `data`.

    It may have begun in `tail`, the bytes before.
    """
    if tail:
        tail = tail[-3:]
        found = (tail + data[at : at + 3]).find(_EMPTY_LINE)
        if found >= 0:
            return at + found + 4 - len(tail)
    found = data.find(_EMPTY_LINE, at)
    return found + 4 if found >= 0 else len(data)


def length_of(fields: Fields) -> int:
    """Return the announced length, whose digits llhttp has checked, or -1 for chunks."""
    return next((int(value) for name, value in fields if name == b"content-length"), -1)


def collector(pairs: Fields) -> Callable[[bytes, bytes], None]:
    """Return a callback of the parser that keeps fields, their names in lower case."""
    append = pairs.append

    def on_header(name: bytes, value: bytes) -> None:
        append((name.lower(), value))

    return on_header


def explain(head: bytes, error: Exception) -> Refusal:
    """Return the refusal for a head that llhttp would not take; `head` is what came of it."""
    if _LENGTH_NAME.search(head) and _CODING_NAME.search(head):
        return ConflictingFraming("Send Content-Length or Transfer-Encoding, never both.")
    reason = str(error)
    if "Content-Length" in reason:
        return BadFraming("Content-Length must be one decimal number, once.")
    if "Transfer-Encoding" in reason:
        return BadFraming("Transfer-Encoding must be exactly: chunked.")
    if isinstance(error, httptools.HttpParserInvalidMethodError) and _METHOD.match(head):
        return MethodNotImplemented("This method is not known here.")
    return _explain_version(head) or BadRequest("The request cannot be read (RFC 9112 §2 to §5).")


def _explain_version(head: bytes) -> Refusal | None:
    match = _VERSION.match(head.lstrip(b"\r\n"))
    if match is None or (match[1] == b"1" and match[2] in {b"0", b"1"}):
        return None
    return VersionNotSupported("Versions 1.1 and 2 are served.")


def _read_expectation(value: bytes) -> bool:
    if value.lower() != b"100-continue":
        raise ExpectationFailed("100-continue is the only expectation known.")
    return True


def _check_codings(codings: list[bytes], *, is_11: bool) -> None:
    if not is_11:
        raise BadFraming("HTTP/1.0 has no Transfer-Encoding (RFC 9112 §6.1).")
    if len(codings) > 1 or codings[0].lower() != b"chunked":
        raise TransferCodingNotImplemented("Transfer-Encoding must be exactly: chunked.")
