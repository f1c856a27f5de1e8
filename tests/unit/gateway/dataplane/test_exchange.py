"""The exchange: one question per token, answers that never outlive anything."""

import asyncio
import gc
import time

import pytest

from gateway.counters import private_counters
from gateway.dataplane.errors import AuthorityUnavailable, InvalidToken
from gateway.dataplane.exchange import Exchange
from gateway.dataplane.guarded_authority import AuthorityFailed, Breaker
from gateway.dataplane.token_cache import TokenCache
from tests.unit.gateway.harness import ISSUER, RESOURCE, FakeAuthority
from wire.bearer import Prefix, digest, mint


@pytest.fixture
def authority():
    return FakeAuthority()


@pytest.fixture
def cache():
    return TokenCache(max_entries=100, max_bytes=10_000_000)


@pytest.fixture
def exchange(authority, cache):
    return Exchange(cache=cache, authority=authority, issuer=ISSUER, counters=private_counters())


def key(token: bytes) -> bytes:
    return digest(token.decode())


async def obtain(exchange, token):
    return await exchange.obtain(token, key(token), RESOURCE)


def is_cached(exchange, token, after: float = 0.0) -> bool:
    return exchange.find(key(token), RESOURCE, time.monotonic() + after) is not None


async def test_many_callers_share_one_introspection(exchange, authority):
    token = authority.issue()
    authority.delay_seconds = 0.05

    phantoms = await asyncio.gather(*(obtain(exchange, token) for _ in range(35)))

    assert len(authority.asked) == 1
    assert len({id(phantom) for phantom in phantoms}) == 1


async def test_a_caller_that_leaves_does_not_fail_the_others(exchange, authority):
    token = authority.issue()
    authority.delay_seconds = 0.05
    first = asyncio.create_task(obtain(exchange, token))
    second = asyncio.create_task(obtain(exchange, token))
    await asyncio.sleep(0.01)

    first.cancel()

    assert (await second).client_id == "client-1"
    assert len(authority.asked) == 1


async def test_tokens_are_exchanged_for_each_resource(exchange, authority):
    other = "https://api.test/other"
    token = authority.issue(aud=[RESOURCE, other])

    await exchange.obtain(token, key(token), RESOURCE)
    await exchange.obtain(token, key(token), other)

    assert [resource for _, resource in authority.asked] == [RESOURCE, other]


@pytest.mark.parametrize(
    ("max_age", "expires_in", "alive"),
    [
        (60.0, 600, 58),  # Cache-Control
        (600.0, 30, 27),  # exp
        (None, 3600, 298),  # our own bound
        (3600.0, 3600, 298),
    ],
)
async def test_an_entry_lives_as_long_as_the_shortest_of_its_limits(
    exchange, authority, max_age, expires_in, alive
):
    authority.max_age_seconds = max_age
    token = authority.issue(exp=int(time.time()) + expires_in)

    await obtain(exchange, token)

    assert is_cached(exchange, token, after=alive)
    assert not is_cached(exchange, token, after=alive + 4)


async def test_no_store_is_never_cached(exchange, authority):
    authority.max_age_seconds = 0.0
    token = authority.issue()

    await obtain(exchange, token)
    await obtain(exchange, token)

    assert len(authority.asked) == 2
    assert not is_cached(exchange, token)


async def test_a_negative_answer_is_short(exchange, authority, cache):
    token = authority.issue()
    jwt = authority.live.pop(token)
    with pytest.raises(InvalidToken):
        await obtain(exchange, token)
    authority.live[token] = jwt

    with pytest.raises(InvalidToken):
        await obtain(exchange, token)
    cache.sweep(time.monotonic() + 2.1)

    assert (await obtain(exchange, token)).client_id == "client-1"
    assert len(authority.asked) == 2


async def test_a_revoked_token_is_gone_at_once(exchange, authority, cache):
    token = authority.issue()
    await obtain(exchange, token)

    cache.revoke([key(token)], time.monotonic())

    assert not is_cached(exchange, token)
    with pytest.raises(InvalidToken):
        await obtain(exchange, token)
    assert len(authority.asked) == 1


@pytest.mark.parametrize("max_age", [300.0, 0.0])
async def test_an_introspection_under_way_cannot_bring_a_revoked_token_back(
    exchange, authority, cache, max_age
):
    token = authority.issue()
    authority.max_age_seconds = max_age
    authority.delay_seconds = 0.05
    flight = asyncio.create_task(obtain(exchange, token))
    await asyncio.sleep(0.01)

    cache.revoke([key(token)], time.monotonic())

    with pytest.raises(InvalidToken):
        await flight
    assert not is_cached(exchange, token)


async def test_an_introspection_under_way_is_not_kept_when_the_feed_begins_anew(
    exchange, authority, cache
):
    token = authority.issue()
    authority.delay_seconds = 0.05
    flight = asyncio.create_task(obtain(exchange, token))
    await asyncio.sleep(0.01)

    cache.clear()

    assert (await flight).client_id == "client-1"
    assert not is_cached(exchange, token)
    await obtain(exchange, token)
    assert is_cached(exchange, token)


async def test_stale_entries_are_asked_for_again_while_the_feed_is_lost(exchange, authority):
    token = authority.issue()
    await obtain(exchange, token)

    exchange.stale_before = time.monotonic() + 1

    assert not is_cached(exchange, token)
    await obtain(exchange, token)
    assert len(authority.asked) == 2


async def test_a_stale_entry_serves_on_when_nobody_can_be_asked(exchange, authority):
    token = authority.issue()
    await obtain(exchange, token)
    exchange.stale_before = time.monotonic() + 1
    authority.failure = AuthorityFailed("down")

    assert (await obtain(exchange, token)).client_id == "client-1"


async def test_a_stale_entry_that_is_revoked_is_refused_and_dropped(exchange, authority):
    token = authority.issue()
    await obtain(exchange, token)
    exchange.stale_before = time.monotonic() + 1
    del authority.live[token]

    with pytest.raises(InvalidToken):
        await obtain(exchange, token)

    exchange.stale_before = float("-inf")
    assert not is_cached(exchange, token)


async def test_a_dead_token_service_is_left_alone_for_a_while(exchange, authority):
    authority.failure = AuthorityFailed("down")

    for _ in range(20):
        with pytest.raises(AuthorityUnavailable):
            await obtain(exchange, authority.issue())

    assert len(authority.asked) == 6  # the sixth is our own, about a token that nobody has


def test_the_breaker_lets_one_probe_through_after_each_pause():
    breaker = Breaker()
    for _ in range(5):
        breaker.failed(0.0)

    assert breaker.seconds_to_wait(0.5) > 0
    assert breaker.seconds_to_wait(1.1) == 0.0
    assert breaker.seconds_to_wait(1.2) > 0

    breaker.succeeded()
    assert breaker.seconds_to_wait(1.3) == 0.0


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1},
        {"exp": "soon"},
        {"iss": "https://evil.test"},
        {"aud": "https://api.test/other"},
        {"client_id": None},
        {"nbf": 99_999_999_999},
    ],
)
async def test_a_jwt_that_is_not_for_us_is_never_used(exchange, authority, claims):
    with pytest.raises(AuthorityUnavailable):
        await obtain(exchange, authority.issue(**claims))


@pytest.mark.parametrize(
    "jwt", [b"", b"a.b", b"a.b.c", b"a.b.c.d", b"a.e30.c\r\nX: y", b"x" * 20_000]
)
async def test_something_that_is_no_jwt_is_never_used(exchange, authority, jwt):
    token = authority.issue()
    authority.live[token] = jwt

    with pytest.raises(AuthorityUnavailable):
        await obtain(exchange, token)


@pytest.mark.parametrize(("max_entries", "max_bytes"), [(10, 10**9), (10**6, 12_000)])
async def test_the_cache_is_bounded_by_count_and_bytes(authority, max_entries, max_bytes):
    cache = TokenCache(max_entries=max_entries, max_bytes=max_bytes)
    exchange = Exchange(
        cache=cache, authority=authority, issuer=ISSUER, counters=private_counters()
    )

    for _ in range(50):
        await obtain(exchange, authority.issue())

    assert 5 <= len(cache) <= 10
    assert cache.size_bytes <= max_bytes


async def test_the_cache_holds_no_opaque_token(exchange, authority, cache):
    token = authority.issue()
    await obtain(exchange, token)

    assert token.decode() not in repr(gc.get_referents(cache))


async def test_sweeping_forgets_what_has_expired(exchange, authority, cache):
    await obtain(exchange, authority.issue())

    cache.sweep(time.monotonic() + 301)

    assert len(cache) == 0
    assert cache.size_bytes == 0


async def test_junk_pushes_no_good_entry_out(exchange, authority, cache):
    good = [authority.issue() for _ in range(100)]  # the cache is full of them
    for token in good:
        await obtain(exchange, token)

    for _ in range(300):
        with pytest.raises(InvalidToken):
            await obtain(exchange, mint(Prefix.ACCESS_TOKEN).encode())

    assert all(is_cached(exchange, token) for token in good)
    assert len(cache) == 100


def test_the_memory_for_inactive_tokens_is_bounded():
    cache = TokenCache(max_entries=1, max_bytes=1000, max_negative=50)
    for number in range(200):
        cache.remember_bad(b"%d" % number, RESOURCE, 0.0)

    assert len(cache._negative) <= 50
    assert cache.is_known_bad(b"199", RESOURCE, 0.1)
