"""An outage, tokens that the token service chokes on, and floods: who is hurt by what."""

import asyncio

import pytest

from gateway.dataplane.fair_queue import FairQueue, QueueTooLong
from gateway.dataplane.guarded_authority import AuthorityFailed
from tests.unit.gateway.harness import FakeAuthority
from wire.bearer import Prefix, mint


class ChokingAuthority(FakeAuthority):
    """Fails for the tokens of one client, and for everybody once it is `down`."""

    def __init__(self):
        super().__init__()
        self.poison: set[bytes] = set()
        self.down = False
        self.at_once = self.most_at_once = 0

    async def introspect(self, token, resource):
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.down or token in self.poison:
                raise AuthorityFailed("500")
            return await super().introspect(token, resource)
        finally:
            self.at_once -= 1

    def poisoned(self) -> bytes:
        token = mint(Prefix.ACCESS_TOKEN).encode()
        self.poison.add(token)
        return token


@pytest.fixture
async def choking(gateway):
    gateway.authority = ChokingAuthority()
    gateway.exchange._authority._authority = gateway.authority
    return gateway


async def test_tokens_that_it_chokes_on_do_not_keep_others_out(choking):
    for _ in range(30):
        assert (await choking.call(token=choking.authority.poisoned())).status == 503

    assert (await choking.call(token=choking.authority.issue())).status == 200


async def test_nonsense_about_some_tokens_does_not_keep_others_out(choking):
    for _ in range(30):
        token = choking.authority.issue(aud="https://other.example")
        assert (await choking.call(token=token)).status == 503

    assert (await choking.call(token=choking.authority.issue())).status == 200


async def test_well_formed_junk_does_not_count_as_an_outage(choking):
    for _ in range(30):
        junk = mint(Prefix.ACCESS_TOKEN).encode()
        assert (await choking.call(token=junk)).status == 401

    assert (await choking.call(token=choking.authority.issue())).status == 200


async def test_an_outage_opens_and_a_poisoned_token_does_not_prolong_it(choking, monkeypatch):
    authority = choking.authority
    authority.down = True
    for _ in range(20):
        answer = await choking.call(token=authority.issue())
        assert answer.status == 503
        assert int(answer.value("retry-after")) >= 1
    assert choking.counters.read("introspections") == 6
    assert choking.counters.read("authority_away") == 1
    authority.down = False
    monkeypatch.setattr(choking.exchange._authority._breaker, "_closed_until", 0.0)

    # The probe after the pause is a caller's, and may choke it: then ours counts.
    assert (await choking.call(token=authority.poisoned())).status == 503
    assert (await choking.call(token=authority.issue())).status == 200
    assert choking.counters.read("authority_away") == 0


async def test_a_service_that_knows_a_token_which_nobody_has_is_not_alive(choking):
    authority = choking.authority
    guarded = choking.exchange._authority

    async def knows_everything(token, resource):
        return authority.live

    authority.introspect = knows_everything

    assert not await guarded._is_alive("https://api.test/orders")


@pytest.mark.parametrize("address", ["198.51.100.66", "2001:db8:0:1::{:x}"])
async def test_a_flood_from_one_address_makes_others_wait_for_one_answer(choking, address):
    authority = choking.authority
    authority.delay_seconds = 0.02
    flood = [
        asyncio.create_task(
            choking.call(token=mint(Prefix.ACCESS_TOKEN).encode(), peer=address.format(at))
        )
        for at in range(300)
    ]
    await asyncio.sleep(0.01)

    assert (await choking.call(token=authority.issue(), peer="203.0.113.1")).status == 200
    assert sum(not task.done() for task in flood) > 150
    await asyncio.gather(*flood)
    assert authority.most_at_once == 48


async def test_whose_turn_does_not_come_in_time_is_told_so(choking):
    choking.exchange._authority._queue = FairQueue(most=1, patience_seconds=0.01)
    choking.authority.delay_seconds = 0.1
    first = asyncio.create_task(choking.call(token=choking.authority.issue()))
    await asyncio.sleep(0.01)

    answer = await choking.call(token=choking.authority.issue())

    assert answer.status == 503
    assert answer.value("retry-after") == "1"
    assert choking.counters.read("introspections_crowded_out") == 1
    assert (await first).status == 200


async def test_turns_are_neither_lost_nor_given_twice():
    queue = FairQueue(most=1, patience_seconds=0.02)
    await queue.enter("a")
    impatient = asyncio.create_task(queue.enter("b"))
    leaving = asyncio.create_task(queue.enter("c"))
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(QueueTooLong):
        await impatient
    queue.leave()

    await queue.enter("d")
    with pytest.raises(QueueTooLong):
        await queue.enter("e")
    queue.leave()
    await queue.enter("f")
