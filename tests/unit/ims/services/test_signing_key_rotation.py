from datetime import timedelta
from io import StringIO

import jwt
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from ims import conf, keyring
from ims.errors import NoSigningKey
from ims.models import RevocationEvent, SigningKey
from ims.queries.revocations import get_revocations
from ims.queries.signing_keys import list_published_signing_keys
from ims.services.create_signing_key import create_signing_key
from ims.services.replace_compromised_keys import replace_compromised_keys
from ims.services.schedule_signing_keys import schedule_signing_keys
from ims.services.sign_jwt import sign_jwt
from ims.tasks import rotate_signing_keys

pytestmark = pytest.mark.django_db
LIFETIME = timedelta(seconds=conf.SIGNING_KEY_LIFETIME_SECONDS)
NOTICE = timedelta(seconds=conf.SIGNING_KEY_ANNOUNCED_SECONDS)


def age(key, by):
    key.activates_at -= by
    key.save()


def kids(keys):
    return {key.kid for key in keys}


def get_signing_kid():
    keyring.forget()
    return jwt.get_unverified_header(sign_jwt(claims={}, typ="JWT"))["kid"]


def test_young_key_is_left_alone():
    create_signing_key()

    assert schedule_signing_keys() == []


def test_next_key_is_published_a_day_before_it_signs():
    present = create_signing_key(activates_at=timezone.now() - LIFETIME + NOTICE)

    (announced,) = schedule_signing_keys()

    assert announced.activates_at >= timezone.now() + NOTICE - timedelta(seconds=5)
    assert kids(list_published_signing_keys()) == {present.kid, announced.kid}
    assert get_signing_kid() == present.kid


def test_late_rotation_still_gives_notice():
    """Nothing rotated for a year: readers still get the new key before it signs."""
    create_signing_key(activates_at=timezone.now() - timedelta(days=365))

    (announced,) = schedule_signing_keys()

    assert announced.activates_at > timezone.now() + NOTICE - timedelta(seconds=5)


def test_announcing_twice_makes_one_key():
    create_signing_key(activates_at=timezone.now() - LIFETIME)

    schedule_signing_keys()

    assert schedule_signing_keys() == []
    assert SigningKey.objects.count() == 2


def test_successor_signs_and_the_last_stays_published_until_its_tokens_are_gone():
    last = create_signing_key(activates_at=timezone.now() - LIFETIME)
    (successor,) = schedule_signing_keys()
    age(successor, NOTICE + timedelta(minutes=6))

    schedule_signing_keys()

    last.refresh_from_db()
    assert get_signing_kid() == successor.kid
    assert last.retired_at is not None
    assert kids(list_published_signing_keys()) == {last.kid, successor.kid}
    last.retired_at -= timedelta(seconds=conf.RETIRED_KEY_PUBLISHED_SECONDS)
    last.save()
    assert kids(list_published_signing_keys()) == {successor.kid}


def test_retired_key_outlives_every_token_it_signed():
    assert conf.RETIRED_KEY_PUBLISHED_SECONDS > (
        conf.ACCESS_TOKEN_TTL_SECONDS + conf.SIGNING_KEY_REFRESH_SECONDS
    )
    assert conf.SIGNING_KEY_ANNOUNCED_SECONDS > 10 * conf.JWKS_MAX_AGE_SECONDS


def test_last_key_stays_for_a_machine_whose_clock_is_late():
    last = create_signing_key(activates_at=timezone.now() - LIFETIME)
    create_signing_key(activates_at=timezone.now() - timedelta(minutes=1))

    schedule_signing_keys()

    last.refresh_from_db()
    assert last.retired_at is None


def test_retired_key_has_no_private_part():
    last = create_signing_key(activates_at=timezone.now() - LIFETIME)
    create_signing_key(activates_at=timezone.now() - timedelta(hours=1))

    schedule_signing_keys()

    last.refresh_from_db()
    assert bytes(last.private_key_encrypted) == b""


def test_each_algorithm_rotates_by_itself():
    create_signing_key(algorithm="EdDSA")
    create_signing_key(activates_at=timezone.now() - LIFETIME)

    assert [key.algorithm for key in schedule_signing_keys()] == ["ES256"]


def test_rotation_now_waits_for_cached_key_sets():
    present = create_signing_key()

    (successor,) = schedule_signing_keys(at_once=True)

    notice = (successor.activates_at - timezone.now()).total_seconds()
    assert conf.JWKS_MAX_AGE_SECONDS < notice <= 2 * conf.JWKS_MAX_AGE_SECONDS
    assert get_signing_kid() == present.kid


def test_rotation_now_brings_an_announced_key_forward():
    create_signing_key(activates_at=timezone.now() - LIFETIME)
    (announced,) = schedule_signing_keys()

    (forward,) = schedule_signing_keys(at_once=True)

    assert forward.kid == announced.kid
    assert forward.activates_at < announced.activates_at
    assert schedule_signing_keys(at_once=True) == []


def test_compromised_keys_are_unpublished_and_replaced_at_once():
    stolen = create_signing_key()
    announced = create_signing_key(activates_at=timezone.now() + NOTICE)
    other = create_signing_key(algorithm="EdDSA")

    (new,) = replace_compromised_keys(algorithms=["ES256"])

    assert kids(list_published_signing_keys()) == {new.kid, other.kid}
    assert get_signing_kid() == new.kid
    for key in (stolen, announced):
        key.refresh_from_db()
        assert key.compromised_at is not None
        assert bytes(key.private_key_encrypted) == b""


def test_keys_retired_before_are_distrusted_too():
    former = create_signing_key(activates_at=timezone.now() - LIFETIME)
    create_signing_key(activates_at=timezone.now() - timedelta(hours=1))
    schedule_signing_keys()

    replace_compromised_keys(algorithms=["ES256"])

    former.refresh_from_db()
    assert former.compromised_at is not None


def test_unused_algorithms_get_no_key():
    assert replace_compromised_keys(algorithms=["PS256"]) == []
    with pytest.raises(NoSigningKey):
        keyring.active_key("PS256")


def test_replacement_makes_gateways_drop_what_they_hold():
    create_signing_key()
    cursor = get_revocations(after=None).cursor

    replace_compromised_keys(algorithms=["ES256"])

    page = get_revocations(after=cursor)
    assert (page.reset, page.digests) == (True, ())
    assert page.cursor > cursor
    following = get_revocations(after=page.cursor)
    assert (following.reset, following.cursor) == (False, page.cursor)


def test_flush_hides_no_revocation_of_its_page():
    create_signing_key()
    expires_at = timezone.now() + timedelta(seconds=900)
    first = RevocationEvent.objects.create(token_digest=b"x" * 32, expires_at=expires_at)
    replace_compromised_keys(algorithms=["ES256"])
    RevocationEvent.objects.create(token_digest=b"y" * 32, expires_at=expires_at)

    page = get_revocations(after=first.pk - 1)

    assert page.digests == (b"x" * 32, b"y" * 32)
    assert page.reset is True


def test_hourly_task_announces_what_is_due():
    create_signing_key(activates_at=timezone.now() - LIFETIME)

    rotate_signing_keys()

    assert SigningKey.objects.count() == 2


@pytest.fixture
def pauses(monkeypatch):
    seconds = []
    monkeypatch.setattr("time.sleep", seconds.append)
    return seconds


def run(*arguments):
    output = StringIO()
    call_command("rotate_signing_keys", *arguments, stdout=output)
    return output.getvalue()


def test_command_without_options_does_only_what_is_due():
    create_signing_key()

    assert "No key had to be changed" in run()
    assert SigningKey.objects.count() == 1


def test_command_announces_now():
    create_signing_key()

    assert "announced: ES256" in run("--now")


def test_emergency_asks_first(monkeypatch, pauses):
    key = create_signing_key()
    monkeypatch.setattr("builtins.input", lambda _: "yes")

    with pytest.raises(CommandError, match="Nothing was changed"):
        run("--emergency")

    key.refresh_from_db()
    assert key.compromised_at is None


def test_emergency_flushes_again_when_no_process_can_hold_the_old_key(pauses):
    stolen = create_signing_key()

    output = run("--emergency", "--no-input")

    assert kids(list_published_signing_keys()).isdisjoint({stolen.kid})
    assert "signs now: ES256" in output
    assert RevocationEvent.objects.filter(is_flush=True).count() == 2
    assert pauses == [conf.SIGNING_KEY_REFRESH_SECONDS + 2]


def test_algorithm_needs_the_emergency():
    with pytest.raises(CommandError, match="--emergency"):
        run("--algorithm", "ES256")
