import pytest
from redis import Redis

from ims import throttle
from ims.audit.events import Event
from ims.errors import Throttled
from ims.models import AuditEvent
from ims.throttle import Purpose
from wire.oauth_errors import InvalidClient

pytestmark = pytest.mark.django_db

HERE, ELSEWHERE = "192.0.2.1", "198.51.100.2"
LIMIT = Purpose.CLIENT_AUTHENTICATION.value


def attempt(*, fails=True, subject="a", address=HERE, is_guessable=True):
    """Try a credential as the endpoints do."""
    where = {"subject": subject, "address": address}
    if is_guessable:
        throttle.refuse_blocked(Purpose.CLIENT_AUTHENTICATION, **where)
    if not fails:
        return "right"
    wait = throttle.count_failure(Purpose.CLIENT_AUTHENTICATION, **where)
    raise Throttled(retry_after_seconds=wait) if wait else InvalidClient


def exhaust(**how):
    """Fail until the next failure would be throttled."""
    for _ in range(LIMIT.of_subject - 1):
        with pytest.raises(InvalidClient):
            attempt(**how)


def throttled(**how):
    with pytest.raises(Throttled) as raised:
        attempt(**how)
    return raised.value


def test_last_of_too_many_failures_is_told_to_wait():
    exhaust()

    assert 0 < throttled().retry_after_seconds <= LIMIT.seconds + 1


def test_guessable_credential_is_refused_unseen_from_a_blocked_network():
    exhaust()
    throttled()

    throttled(fails=False)


def test_unguessable_credential_of_the_owner_always_passes():
    exhaust()
    throttled()

    assert attempt(fails=False, is_guessable=False) == "right"
    throttled(is_guessable=False)


def test_owner_is_not_locked_out_from_elsewhere():
    exhaust()
    throttled()

    assert attempt(fails=False, address=ELSEWHERE) == "right"
    with pytest.raises(InvalidClient):
        attempt(address=ELSEWHERE)


def test_another_subject_is_free_in_the_same_network():
    exhaust()
    throttled()

    assert attempt(fails=False, subject="b") == "right"


def test_network_that_tries_every_subject_is_blocked_as_a_whole():
    for number in range(LIMIT.of_network - 1):
        with pytest.raises(InvalidClient):
            attempt(subject=f"client-{number}")

    throttled(subject="one more")
    throttled(fails=False, subject="never tried")
    assert attempt(fails=False, subject="never tried", address=ELSEWHERE) == "right"


def test_addresses_of_one_ipv6_subscriber_count_together():
    for number in range(LIMIT.of_subject - 1):
        with pytest.raises(InvalidClient):
            attempt(address=f"2001:db8:0:1::{number:x}")

    throttled(address="2001:db8:0:1:ffff::1")
    assert attempt(fails=False, address="2001:db8:0:2::1") == "right"


def test_ipv4_in_ipv6_is_the_ipv4_address():
    exhaust(address=f"::ffff:{HERE}")

    throttled(address=HERE)
    assert attempt(fails=False, address=f"::ffff:{ELSEWHERE}") == "right"


def test_another_process_learns_of_the_block_with_its_first_failure():
    exhaust()
    throttled()

    throttle.forget()  # as a process does that has just started

    throttled()
    throttled(fails=False)


def test_what_people_type_is_blocked_before_the_first_try_of_another_process():
    exhaust()
    throttled()
    throttle.forget()

    wait = throttle.find_wait_seconds(Purpose.CLIENT_AUTHENTICATION, subject="a", address=HERE)

    assert 0 < wait <= LIMIT.seconds + 1
    assert (
        throttle.find_wait_seconds(Purpose.CLIENT_AUTHENTICATION, subject="a", address=ELSEWHERE)
        == 0
    )


def test_right_credential_asks_valkey_nothing(monkeypatch):
    def refuse(*_):
        raise AssertionError("a round trip")

    monkeypatch.setattr(throttle, "_connect", refuse)

    assert attempt(fails=False) == "right"


def test_window_ends():
    exhaust()
    throttled()
    throttle.forget()
    with Redis.from_url(throttle.settings.REDIS_URL) as valkey:
        for key in valkey.scan_iter("tollgate:throttle:*"):
            assert 0 < valkey.ttl(key) <= LIMIT.seconds
            valkey.delete(key)

    assert attempt(fails=False) == "right"
    with pytest.raises(InvalidClient):
        attempt()


def test_limits_hold_by_process_while_valkey_is_away(settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    exhaust()

    throttled()
    throttled(fails=False)
    assert attempt(fails=False, address=ELSEWHERE) == "right"


def test_block_is_recorded_once():
    exhaust()
    throttled(is_guessable=False)
    throttled(is_guessable=False)
    throttled()

    event = AuditEvent.objects.get()
    assert (event.event, event.reason) == (Event.THROTTLED, "client_authentication")
    assert event.client_id == "a"
