"""RFC 6455 §5: frames that come whole, broken or too late."""

import asyncio

from tests.unit.gateway.front.conftest import read_until_closed
from tests.unit.gateway.front.sockets import (
    CLOSE,
    SWITCHED,
    begin,
    run_gateway,
    switching_then,
)
from tests.unit.gateway.raw_upstream import run_raw_upstream

BAD_CLIENT_FRAMES = {
    b"\x81\x02hi": b"masked",
    b"\x83\x80\0\0\0\0": b"opcode",
    b"\x09\x80\0\0\0\0": b"control",
    b"\x89\xfe\0\x7e\0\0\0\0": b"control",
    b"\x82\xff\xff" + b"\0" * 11: b"length",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n": b"opcode",
}


async def test_what_is_no_frame_of_a_client_is_1002_and_not_passed_on():
    async def record(recorded, writer):
        writer.write(SWITCHED)

    async with run_raw_upstream() as raw, run_gateway(raw.url) as gateway:
        raw.answerer = record

        async def refusal_of(frame):
            reader, writer = await begin(gateway)
            writer.write(frame)
            return await read_until_closed(reader)

        answers = await asyncio.gather(*map(refusal_of, BAD_CLIENT_FRAMES))

        for answer, rule in zip(answers, BAD_CLIENT_FRAMES.values(), strict=True):
            assert answer[:1] == CLOSE
            assert answer[2:4] == (1002).to_bytes(2, "big")
            assert rule in answer
        assert len(raw.requests) == len(BAD_CLIENT_FRAMES)


async def test_what_is_no_frame_of_a_server_is_1014_and_not_passed_on():
    frames = [b"\x81\x82\0\0\0\0hi", b"\x85\x00", b"HTTP/1.1 200 OK\r\n\r\n"]

    async def answer_of(frame):
        async with run_raw_upstream() as raw, run_gateway(raw.url) as gateway:
            raw.answerer = switching_then(b"\x81\x02ok", frame)
            reader, _ = await begin(gateway)
            return await read_until_closed(reader)

    for answer in await asyncio.gather(*map(answer_of, frames)):
        assert answer.startswith(b"\x81\x02ok" + CLOSE)
        assert answer[6:8] == (1014).to_bytes(2, "big")


async def test_close_waits_for_the_end_of_the_frame_under_way():
    async with run_raw_upstream() as raw, run_gateway(raw.url) as gateway:
        raw.answerer = switching_then(b"\x82\x06abc", b"def\x81\x02no", pause=0.4)
        reader, writer = await begin(gateway)
        assert await reader.readexactly(5) == b"\x82\x06abc"
        gateway.front.say_goodbye()

        answer = await read_until_closed(reader)

        assert answer[:3] == b"def"
        assert answer[3:4] == CLOSE
        assert answer[5:7] == (1001).to_bytes(2, "big")
        assert b"no" not in answer[7:].replace(b"gateway is going", b"")
        writer.close()


async def test_a_frame_that_does_not_end_is_cut():
    async with run_raw_upstream() as raw, run_gateway(raw.url) as gateway:
        raw.answerer = switching_then(b"\x82\x06abc")
        reader, writer = await begin(gateway)
        gateway.front.say_goodbye()

        answer = await asyncio.wait_for(read_until_closed(reader), 4)

        assert answer == b"\x82\x06abc"
        writer.close()


async def test_a_socket_that_opens_while_the_gateway_winds_down_is_told():
    async def late(recorded, writer):
        gateway.front.say_goodbye()
        await switching_then(b"")(recorded, writer)

    async with run_raw_upstream() as raw, run_gateway(raw.url) as gateway:
        raw.answerer = late
        reader, writer = await begin(gateway)

        assert (await read_until_closed(reader))[2:4] == (1001).to_bytes(2, "big")
        writer.close()
