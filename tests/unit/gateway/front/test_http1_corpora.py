"""Others' attack and conformance payloads. They are beside the repository, or nowhere."""

import json
import os
import re
from pathlib import Path

import pytest

CORPORA = Path(__file__).resolve().parents[5] / "shared" / "corpora"
GARDEN = CORPORA / "request-framing.json"
H1SPEC = CORPORA / "h1-conformance.json"


def load(path: Path, key: str) -> list:
    return json.loads(path.read_bytes())[key] if path.exists() else []


def test_corpora_are_here():
    if not (GARDEN.exists() and H1SPEC.exists()):
        assert not os.environ.get("CI"), "CI has the payloads"
        pytest.skip(f"no payloads of http-garden and h1spec in {CORPORA.parent.name}/corpora")


@pytest.mark.parametrize("row", load(GARDEN, "payloads"), ids=lambda row: row["shown"][:60])
async def test_no_payload_makes_a_second_request_of_its_body(server, row):
    payload = bytes.fromhex(row["hex"])
    requests = plain_requests(payload)

    answers = await server.send_for_a_moment(payload)

    statuses = [int(found) for found in re.findall(rb"HTTP/1\.1 ([2-5][0-9][0-9]) ", answers)]
    assert len([status for status in statuses if status < 400]) <= requests
    assert len(statuses) <= requests + 1  # and one refusal, which ends the connection
    assert len(server.seen) <= max(1, requests)


@pytest.mark.parametrize("case", load(H1SPEC, "cases"), ids=lambda case: case["description"])
async def test_h1spec(server, case):
    answers = await server.send_for_a_moment(bytes.fromhex(case["request_hex"]))

    status = int(answers.split(b" ", 2)[1]) if answers else -1
    assert any(low <= status <= high for low, high in case["expected_status_ranges"]), answers


def plain_requests(payload: bytes) -> int:
    """How many requests a strict reader finds (RFC 9112): it stops at the first that is not one."""
    found = 0
    while payload:
        head, end, rest = payload.partition(b"\r\n\r\n")
        if not end or not _STRICT.fullmatch(head + b"\r\n"):
            return found
        fields = [line.split(b":", 1) for line in head.split(b"\r\n")[1:]]
        names = [name.lower() for name, _ in fields]
        values = dict(zip(names, [value.strip(b" \t") for _, value in fields], strict=True))
        if names.count(b"host") != 1 or (
            b"transfer-encoding" in names
            and (b"content-length" in names or values[b"transfer-encoding"].lower() != b"chunked")
        ):
            return found
        if b"transfer-encoding" in names:
            return found + 1 + strict_chunks(rest)
        length = values.get(b"content-length", b"0")
        if names.count(b"content-length") > 1 or not length.isdigit():
            return found
        found += 1
        payload = rest[int(length) :]
    return found


def strict_chunks(rest: bytes) -> int:
    """How many requests follow a strictly chunked body; none where it is not one."""
    match = _CHUNKS.match(rest)
    while match and int(match[1], 16):
        size = int(match[1], 16)
        rest = rest[match.end() :]
        if rest[size : size + 2] != b"\r\n":
            return 0
        rest = rest[size + 2 :]
        match = _CHUNKS.match(rest)
    if not match:
        return 0
    end = re.compile(rb"(?:[!-9;-~]+:[^\r\n\0]*\r\n)*\r\n").match(rest, match.end())
    return plain_requests(rest[end.end() :]) if end else 0


_STRICT = re.compile(
    rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+ [!-~]+ HTTP/1\.[01]\r\n"
    rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~\x80-\xff]*\r\n)*"
)
_CHUNKS = re.compile(rb"([0-9a-fA-F]{1,15})(?:;[\t !-~]*)?\r\n")
