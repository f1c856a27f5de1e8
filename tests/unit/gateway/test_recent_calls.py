import pytest

from gateway.control_client import ControlFailed
from gateway.recent_calls import RecentCalls
from wire.gateway_snapshot import Operation, RateLimit


class Control:
    def __init__(self):
        self.batches = []
        self.is_away = False

    async def __call__(self, calls):
        if self.is_away:
            raise ControlFailed("away")
        self.batches.append(calls)


@pytest.fixture
def control():
    return Control()


@pytest.fixture
def sample(gateway, control):
    gateway.plane.sample = RecentCalls(control, gateway.counters)
    return gateway.plane.sample


async def test_call_is_told_without_path_query_or_token(gateway, control, sample):
    token = gateway.authority.issue()

    answer = await gateway.call("/orders/v1/orders/42?secret=hunter2", token=token)
    await sample.flush()

    ((call,),) = control.batches
    assert (call.subscription_id, call.api, call.operation) == ("sub-1", "orders", "get")
    assert (call.method, call.status, call.problem) == ("GET", 200, "")
    assert call.request_id == answer.value("x-request-id")
    everything = repr(call)
    assert "hunter2" not in everything
    assert "42" not in everything.replace(call.request_id, "").replace(str(call.at), "")
    assert token.decode() not in everything


async def test_refusal_has_its_reason(gateway, control, sample):
    gateway.configure(rate_limits=[RateLimit(1, 60, 1)])
    token = gateway.authority.issue()

    statuses = [(await gateway.call(token=token)).status for _ in range(2)]
    await sample.flush()

    assert statuses == [200, 429]
    assert [call.problem for call in control.batches[0]] == ["", "/problems/rate-limited"]


async def test_call_of_nobody_is_not_told(gateway, control, sample):
    gateway.configure(Operation("get", "GET", "/orders/{id}", ("orders:write",)))

    await gateway.call()
    await gateway.call(token=gateway.authority.issue())  # lacks the scope
    await sample.flush()

    assert control.batches == []


async def test_sample_is_bounded_and_errors_have_room_of_their_own(
    gateway, upstream, control, sample
):
    token = gateway.authority.issue()
    for _ in range(30):
        await gateway.call(token=token)
    upstream.answer = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
    for _ in range(30):
        await gateway.call(token=token)
    await sample.flush()
    await gateway.call(token=token)
    await sample.flush()

    first, second = control.batches
    assert [call.status for call in first] == [200] * 20 + [500] * 20
    assert len(second) == 1


async def test_sample_that_cannot_be_sent_is_dropped_and_counted(gateway, control, sample):
    control.is_away = True
    await gateway.call(token=gateway.authority.issue())
    await sample.flush()
    control.is_away = False
    await sample.flush()

    assert control.batches == []
    assert gateway.counters.read("recent_calls_dropped") == 1
