"""Where frames begin and end."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Close, Frame, Opcode

from gateway.upstream.websocket_frames import FrameFollower, MalformedFrame, close_frame

FRAMES = st.lists(
    st.tuples(
        st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.CONT, Opcode.PING, Opcode.PONG]),
        st.sampled_from([0, 1, 125, 126, 127, 65_535, 65_536]),
    ),
    max_size=6,
)


def written(frames, *, mask) -> list[bytes]:
    return [
        Frame(opcode, b"x" * (min(size, 125) if opcode >= Opcode.CLOSE else size)).serialize(
            mask=mask
        )
        for opcode, size in frames
    ]


@settings(deadline=None)
@given(frames=FRAMES, mask=st.booleans(), cuts=st.lists(st.integers(1, 70_000), max_size=20))
def test_however_the_bytes_are_cut_the_frames_are_the_same(frames, mask, cuts):
    whole = written(frames, mask=mask)
    ends = {0}
    for frame in whole:
        ends.add(max(ends) + len(frame))
    data = b"".join(whole)
    follower, at = FrameFollower(is_masked=mask), 0

    for size in [*cuts, len(data)]:
        piece = data[at : at + size]
        assert follower.follow(piece) == len(piece)
        at += len(piece)
        assert follower.is_between is (at in ends)


@settings(deadline=None)
@given(frames=FRAMES.filter(bool), cut=st.integers(0, 70_000))
def test_it_stops_where_the_frame_under_way_ends(frames, cut):
    data = b"".join(written(frames, mask=False))
    follower = FrameFollower(is_masked=False)
    cut = min(cut, len(data))
    follower.follow(data[:cut])

    stopped = cut + follower.follow(data[cut:], stops=True)

    assert follower.is_between or stopped == len(data)
    before = FrameFollower(is_masked=False)
    before.follow(data[:cut])
    if before.is_between:
        assert stopped == cut


@pytest.mark.parametrize("is_masked", [True, False])
def test_our_close_frame_is_one(is_masked):
    data = close_frame(1008, "The token is revoked.", is_masked=is_masked)

    follower = FrameFollower(is_masked=is_masked)
    assert follower.follow(data) == len(data)
    assert follower.is_between
    assert follower.has_close
    if not is_masked:
        assert data == Frame(
            Opcode.CLOSE, Close(1008, "The token is revoked.").serialize()
        ).serialize(mask=False)


def test_a_long_reason_is_cut_to_what_a_control_frame_holds():
    data = close_frame(1002, "x" * 200, is_masked=False)

    assert len(data) == 2 + 125
    FrameFollower(is_masked=False).follow(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\x81\x80\0\0\0\0",  # masked
        b"\x83\x00",
        b"\x8b\x00",
        b"\x08\x00",
        b"\x88\x7e\x00\x7e",
        b"\x82\x7f\x80\0\0\0\0\0\0\0",
        b"\x88\x00\x81\x00",
    ],
)
def test_what_is_no_frame_of_a_server_is_malformed(data):
    with pytest.raises(MalformedFrame):
        FrameFollower(is_masked=False).follow(data)


def test_frames_of_a_client_are_masked():
    with pytest.raises(MalformedFrame):
        FrameFollower(is_masked=True).follow(b"\x81\x00")
