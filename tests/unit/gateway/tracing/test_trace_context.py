import pytest

from gateway.tracing.trace_context import read_context

TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = b"00f067aa0ba902b7"
GOOD = b"00-" + TRACE + b"-" + SPAN + b"-01"


def read(parent, *states):
    fields = [(b"traceparent", parent), *((b"tracestate", state) for state in states)]
    return read_context(fields)


def test_good_context_is_read():
    context = read(GOOD, b"congo=t61rcWkgMzE,rojo=00f067aa0ba902b7")

    assert (context.trace_id, context.span_id, context.is_sampled) == (TRACE, SPAN, True)
    assert context.state == b"congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"
    assert context.traceparent() == GOOD


def test_later_version_is_read_as_far_as_it_is_known():
    assert read(GOOD.replace(b"00-", b"cc-", 1) + b"-what-the-future-brings").trace_id == TRACE


def test_unknown_flags_are_not_passed_on():
    assert read(GOOD[:-2] + b"ff").traceparent() == GOOD


@pytest.mark.parametrize(
    "parent",
    [
        b"",
        b"00",
        GOOD.upper(),
        GOOD + b"-more",
        GOOD + b" 00",
        GOOD.replace(b"00-", b"ff-", 1),
        GOOD.replace(TRACE, b"0" * 32),
        GOOD.replace(SPAN, b"0" * 16),
        GOOD.replace(TRACE, TRACE[:-1]),
        GOOD.replace(b"-01", b"-1"),
        GOOD.replace(b"-01", b"-0g"),
        GOOD.replace(b"-", b"_"),
        b"cc" + GOOD[2:] + b"x",
    ],
)
def test_malformed_traceparent_is_as_good_as_none(parent):
    assert read(parent, b"a=1") is None


def test_two_traceparents_are_none():
    assert read_context([(b"traceparent", GOOD), (b"traceparent", GOOD)]) is None


def test_tracestate_of_several_fields_is_one_list():
    assert read(GOOD, b"a=1 , ,b=2", b"fw529a3039@dt=FfAAA").state == b"a=1,b=2,fw529a3039@dt=FfAAA"


@pytest.mark.parametrize(
    "state",
    [
        b"a",
        b"A=1",
        b"a=1,a=2",
        b"a=b=c",
        b"a=\x01",
        b"a=" + b"x" * 257,
        b",".join(b"k%d=1" % n for n in range(33)),
        b",".join(b"key%d=" % n + b"v" * 40 for n in range(16)),
        b"@dt=1",
    ],
)
def test_malformed_tracestate_is_left_out_and_the_trace_goes_on(state):
    context = read(GOOD, state)

    assert (context.trace_id, context.state) == (TRACE, b"")
