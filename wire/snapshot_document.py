"""A snapshot, or what changed since one, as text: JSON with each row on a line of its own.

    {"version":6,"since":5,"digest":"…","deleted":{"subscriptions":["…"]},"gateway_url":"…",
    "apis":[
    {"id":"…", …}
    ],
    "upstreams":[
    ]}

Any JSON reader takes it; a gateway reads it line by line, so that calls go on meanwhile. Without
`since` it is everything. With it, it is what a gateway that holds version `since` must do to hold
`version`: put the rows that are there in place of those with their ids, drop those in `deleted`.

`digest` is of the result in both cases: the sum, modulo 2^128, of a BLAKE2b of each row's line and
of the members that are no rows. So it does not depend on the order or on the way to the result, and
a change costs what it changes. It finds mistakes, not attacks: the connection is trusted.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

_MODULUS: Final = 1 << 128
_encode: Final = json.JSONEncoder(separators=(",", ":")).encode
_ABOUT_THE_DOCUMENT: Final = frozenset({"version", "since", "digest", "deleted"})


class MalformedSnapshot(ValueError):
    """The document is not a usable snapshot; the message names the member."""


@dataclass(frozen=True, slots=True)
class Head:
    """The first line. `members` is what is neither a row nor about the document itself."""

    version: int
    digest: str = ""  # empty: of an earlier release, which gave none
    since: int | None = None  # None: the document is everything
    deleted: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # ids by kind
    members: Mapping[str, Any] = field(default_factory=dict)


def encode_row(row: Mapping[str, Any]) -> bytes:
    """Return the line of a row."""
    return _encode(row).encode()


def row_digest(kind: str, line: bytes) -> int:
    """Return what one row adds to the digest."""
    return int.from_bytes(blake2b(line, digest_size=16, person=kind.encode()).digest())


def members_digest(members: Mapping[str, Any]) -> int:
    """Return what the members that are no rows add to the digest."""
    return row_digest("", json.dumps(members, sort_keys=True, separators=(",", ":")).encode())


def add_digests(total: int, added: int) -> int:
    """Return the sum; a row that goes away is added negatively."""
    return (total + added) % _MODULUS


def write_digest(total: int) -> str:
    """Return the digest as the document has it."""
    return f"{total:032x}"


def digest_of(members: Mapping[str, Any], rows: Mapping[str, Iterable[bytes]]) -> int:
    """Return the digest of a whole snapshot."""
    total = members_digest(members)
    for kind, lines in rows.items():
        for line in lines:
            total += row_digest(kind, line)
    return total % _MODULUS


def encode_document(head: Head, rows: Mapping[str, Iterable[bytes]]) -> bytes:
    """Return the text of `head` and the lines by kind; at least one kind is there."""
    return b"".join(encode_pieces(head, rows))


def encode_pieces(head: Head, rows: Mapping[str, Iterable[bytes]]) -> Iterator[bytes]:
    """Yield the text in pieces; none is empty."""
    about: dict[str, Any] = {"version": head.version, "digest": head.digest, **head.members}
    if head.since is not None:
        about |= {"since": head.since, "deleted": head.deleted}
    yield json.dumps(about, separators=(",", ":")).encode()[:-1]
    for kind, lines in rows.items():
        yield b',\n"%b":[\n' % kind.encode()
        separator = b""
        for line in lines:
            yield separator + line
            separator = b",\n"
        yield b"\n]" if separator else b"]"
    yield b"}\n"


def read_head(document: bytes) -> Head:
    """Return the head. Raises MalformedSnapshot; what is laid out otherwise needs `lay_out`."""
    end = document.find(b",\n")
    if not is_laid_out(document):
        raise MalformedSnapshot("The first line is not the head of a snapshot.")
    try:
        about = json.loads(document[:end] + b"}")
    except ValueError as error:
        raise MalformedSnapshot(f"The first line is not JSON: {error}") from error
    return _head(about)


def read_lines(document: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield each row's kind and line. Raises MalformedSnapshot, also when the end is missing."""
    kind, at = "", document.find(b"\n") + 1
    if not document.endswith(b"]}\n"):
        raise MalformedSnapshot("The document is cut off.")
    end = len(document)
    while at < end:
        stop = document.find(b"\n", at)
        first = document[at]
        if first == 0x7B and kind:  # {
            yield kind, document[at : stop - 1 if document[stop - 1] == 0x2C else stop]  # ,
        elif first == 0x22 and document[stop - 3 : stop] == b'":[':  # "
            kind = document[at + 1 : stop - 3].decode()
        elif first != 0x5D:  # ]
            raise MalformedSnapshot(f"{kind}: a line is neither a row nor the end of the list.")
        at = stop + 1


def is_laid_out(document: bytes) -> bool:
    """Whether `document` has a row on each line."""
    return 0 < document.find(b",\n") < document.find(b"\n")


def lay_out(document: bytes) -> bytes:
    """Return `document` with a row on each line; as it is when it is laid out so.

    Blocks for as long as the JSON is large. Raises MalformedSnapshot.
    """
    if is_laid_out(document):
        return document
    try:
        about = json.loads(document)
    except ValueError as error:
        raise MalformedSnapshot(f"The document is not JSON: {error}") from error
    if not isinstance(about, Mapping):
        raise MalformedSnapshot("The document is not an object.")
    rows = {
        kind: [encode_row(row) for row in value]
        for kind, value in about.items()
        if isinstance(value, list)
    }
    return encode_document(
        _head({name: value for name, value in about.items() if name not in rows}),
        rows or {"apis": []},
    )


def _head(about: Mapping[str, Any]) -> Head:
    version, since = about.get("version"), about.get("since")
    if type(version) is not int:
        raise MalformedSnapshot("version: an integer is expected.")
    if since is not None and type(since) is not int:
        raise MalformedSnapshot("since: an integer is expected.")
    deleted = about.get("deleted", {})
    if not isinstance(deleted, Mapping) or not all(isinstance(v, list) for v in deleted.values()):
        raise MalformedSnapshot("deleted: lists of ids by kind are expected.")
    return Head(
        version=version,
        digest=str(about.get("digest", "")),
        since=since,
        deleted={kind: tuple(map(str, identifiers)) for kind, identifiers in deleted.items()},
        members={name: value for name, value in about.items() if name not in _ABOUT_THE_DOCUMENT},
    )
