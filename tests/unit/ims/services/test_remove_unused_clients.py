from datetime import timedelta

import pytest
from django.conf import settings
from django.core import mail
from django.utils import timezone

from ims.models import Client, RegistrationPolicy
from ims.services.note_client_use import note_client_use
from ims.services.remove_unused_clients import remove_unused_clients
from tests.factories.identity import make_access_token, make_client, make_resource

pytestmark = pytest.mark.django_db
CONTACTS = {"contacts": ["dev@app.example", "call us"]}


def make_registered(*, idle_days, **changes):
    """Return a client registered with a token that was last used `idle_days` ago."""
    members = {"registration_source": "dcr", "name": "Old app", "metadata": CONTACTS} | changes
    client = make_client(**members).client
    used = timezone.now() - timedelta(days=idle_days)
    Client.objects.filter(pk=client.pk).update(created=used, last_used_at=used)
    return client


def remains(client):
    return Client.objects.filter(pk=client.pk).exists()


def test_use_is_learned_from_the_tokens_issued():
    used, unused = make_client().client, make_client().client
    _, token = make_access_token(used)

    assert note_client_use() == 1

    used.refresh_from_db()
    unused.refresh_from_db()
    assert used.last_used_at == token.issued_at
    assert unused.last_used_at is None


def test_a_client_in_use_is_written_once_an_hour():
    client = make_client().client
    make_access_token(client)
    note_client_use()
    make_access_token(client)

    assert note_client_use() == 0


def test_use_takes_a_warning_back():
    client = make_registered(idle_days=80, unused_warned_at=timezone.now())
    make_access_token(client)

    note_client_use()

    client.refresh_from_db()
    assert client.unused_warned_at is None


def test_contacts_are_warned_two_weeks_before():
    client = make_registered(idle_days=77)

    outcome = remove_unused_clients()

    assert (outcome.warned, outcome.removed) == (1, 0)
    (message,) = mail.outbox
    assert message.to == ["dev@app.example"]
    assert "Old app" in message.body
    assert client.client_id in message.body
    assert settings.ISSUER in message.body
    client.refresh_from_db()
    assert client.unused_warned_at is not None


def test_contacts_are_warned_once():
    make_registered(idle_days=77)
    remove_unused_clients()

    assert remove_unused_clients().warned == 0
    assert len(mail.outbox) == 1


def test_a_client_that_is_used_enough_hears_nothing():
    client = make_registered(idle_days=70)

    assert remove_unused_clients().warned == 0
    assert remains(client)


def test_nobody_goes_without_the_time_to_react():
    client = make_registered(idle_days=400)

    first = remove_unused_clients()
    Client.objects.update(unused_warned_at=timezone.now() - timedelta(days=13))
    second = remove_unused_clients()
    Client.objects.update(unused_warned_at=timezone.now() - timedelta(days=14, minutes=1))
    third = remove_unused_clients()

    assert [outcome.removed for outcome in (first, second, third)] == [0, 0, 1]
    assert not remains(client)


def test_a_client_that_names_nobody_goes_on_its_day():
    young, old = (make_registered(idle_days=days, metadata={}) for days in (89, 91))

    assert remove_unused_clients().removed == 1
    assert remains(young)
    assert not remains(old)
    assert mail.outbox == []


def test_a_mail_that_cannot_be_sent_is_tried_again(settings):
    client = make_registered(idle_days=400)
    settings.EMAIL_BACKEND = "tests.unit.ims.services.test_remove_unused_clients.BrokenMail"

    assert remove_unused_clients().warned == 0

    client.refresh_from_db()
    assert client.unused_warned_at is None


class BrokenMail:
    def __init__(self, **_):
        pass

    def send_messages(self, _):
        raise ConnectionRefusedError


def test_the_policy_says_how_long():
    short = RegistrationPolicy.objects.create(name="short", remove_unused_after_days=10)
    never = RegistrationPolicy.objects.create(name="never", remove_unused_after_days=None)
    gone = make_registered(idle_days=11, metadata={}, policy=short)
    kept = make_registered(idle_days=1000, metadata={}, policy=never)

    remove_unused_clients()

    assert not remains(gone)
    assert remains(kept)


@pytest.mark.parametrize("source", ["open", "document"])
def test_nobody_is_written_to_on_the_word_of_a_stranger(source):
    policy = RegistrationPolicy.objects.create(
        name=source, source=source, remove_unused_after_days=30
    )
    client = make_registered(idle_days=25, policy=policy)

    remove_unused_clients()
    assert remains(client)
    Client.objects.update(last_used_at=timezone.now() - timedelta(days=31))
    remove_unused_clients()

    assert not remains(client)
    assert mail.outbox == []


def test_strangers_that_never_got_a_token_go_after_a_day():
    policy = RegistrationPolicy.objects.create(name="open", source="open")
    young, old = (make_registered(idle_days=days, policy=policy) for days in (0.5, 1.1))
    Client.objects.update(last_used_at=None)

    remove_unused_clients()

    assert remains(young)
    assert not remains(old)


@pytest.mark.parametrize(
    "spare", ["made in admin", "first party", "introspects", "answered at our origin", "live token"]
)
def test_what_the_installation_needs_never_goes(spare):
    changes = {
        "made in admin": {"registration_source": "manual"},
        "first party": {"is_first_party": True},
        "answered at our origin": {"redirect_uris": f"{settings.ISSUER}/login/callback/"},
    }
    client = make_registered(idle_days=400, **({"metadata": {}} | changes.get(spare, {})))
    if spare == "introspects":
        make_resource(readers=[client])
    elif spare == "live token":
        make_access_token(client)

    remove_unused_clients()

    assert remains(client)
