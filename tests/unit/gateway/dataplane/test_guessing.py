"""Tokens that nobody issued, many of them from one address."""

import pytest

from gateway.dataplane.errors import TooManyInvalidTokens
from gateway.dataplane.guessing import GuessingGuard
from wire.bearer import Prefix, mint

ATTACKER, NEIGHBOUR = "2001:db8::1", "2001:db8:0:1::1"


def guess() -> bytes:
    return mint(Prefix.ACCESS_TOKEN).encode()


@pytest.fixture
def guarded(gateway):
    gateway.configure()
    gateway.exchange.guessing = GuessingGuard(5)
    return gateway


async def test_above_the_budget_nobody_is_asked_any_more(guarded):
    answers = [await guarded.call(token=guess(), peer=ATTACKER) for _ in range(20)]

    assert [answer.status for answer in answers] == [401] * 5 + [429] * 15
    assert len(guarded.authority.asked) == 5
    assert answers[-1].problem["type"] == "/problems/too-many-invalid-tokens"
    assert 1 <= int(answers[-1].value("retry-after")) <= 12
    assert answers[-1].values("www-authenticate") == []


async def test_another_address_of_the_same_customer_is_the_same(guarded):
    for number in range(5):
        await guarded.call(token=guess(), peer=f"2001:db8::{number}:1")

    assert (await guarded.call(token=guess(), peer="2001:db8::ffff")).status == 429
    assert (await guarded.call(token=guess(), peer=NEIGHBOUR)).status == 401


async def test_tokens_in_use_are_served_as_ever(guarded):
    used, new = guarded.authority.issue(), guarded.authority.issue()
    assert (await guarded.call(token=used, peer=ATTACKER)).status == 200
    for _ in range(9):
        await guarded.call(token=guess(), peer=ATTACKER)

    assert (await guarded.call(token=used, peer=ATTACKER)).status == 200
    assert (await guarded.call(token=new, peer=ATTACKER)).status == 429
    assert (await guarded.call(token=new, peer=NEIGHBOUR)).status == 200
    guarded.exchange.stale_before = float("inf")  # the feed is lost: everybody is asked about again
    assert (await guarded.call(token=used, peer=ATTACKER)).status == 200


async def test_one_bad_token_again_and_again_is_one_guess(guarded):
    bad = guess()

    answers = [await guarded.call(token=bad, peer=ATTACKER) for _ in range(20)]

    assert {answer.status for answer in answers} == {401}


def test_a_budget_fills_again_over_a_minute_and_no_further():
    guard = GuessingGuard(60)
    for _ in range(60):
        guard.check("a", 0.0)
        guard.note("a", 0.0)
    with pytest.raises(TooManyInvalidTokens):
        guard.check("a", 0.5)

    guard.check("a", 1.0)
    for _ in range(60):
        guard.check("a", 1000.0)
        guard.note("a", 1000.0)
    with pytest.raises(TooManyInvalidTokens):
        guard.check("a", 1000.0)
