import re
from datetime import timedelta

import pytest
from django.core.mail import get_connection
from django.core.mail.message import EmailMessage
from django.utils import timezone

from config import operations
from ims.services.maintain_partitions import maintain_partitions
from tests.factories.identity import make_access_token, make_client


@pytest.fixture
def mailbox(settings, tmp_path):
    settings.MAILBOX_DIR = tmp_path

    def send(subject, text="Hello"):
        backend = get_connection(
            "django.core.mail.backends.filebased.EmailBackend", file_path=str(tmp_path)
        )
        backend.send_messages([EmailMessage(subject, text, "from@t.example", ["to@t.example"])])

    return send


def test_healthy_while_it_answers(client):
    assert client.get("/-/healthz").json() == {"status": "ok"}


@pytest.mark.django_db
def test_ready_when_both_servers_answer(client):
    assert client.get("/-/readyz").status_code == 200


@pytest.mark.django_db
def test_ready_but_warns_when_tokens_have_no_partition(client):
    maintain_partitions()
    assert client.get("/-/readyz").json()["warnings"] == []

    make_access_token(make_client().client, expires_at=timezone.now() + timedelta(days=1))

    answer = client.get("/-/readyz")
    assert answer.status_code == 200
    [warning] = answer.json()["warnings"]
    assert warning.startswith("ims_accesstoken has rows without a partition")


@pytest.mark.parametrize("name", ["PostgreSQL", "Valkey"])
@pytest.mark.django_db
def test_not_ready_names_the_silent_server(client, monkeypatch, name):
    monkeypatch.setitem(operations._SERVERS, name, lambda: False)

    answer = client.get("/-/readyz")

    assert answer.status_code == 503
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["servers"] == [name]


def test_lost_valkey_is_noticed(settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:9/0",
        }
    }

    assert operations._ask_cache() is False


def test_mailbox_numbers_stay_and_the_newest_is_first(mailbox):
    mailbox("first")
    mailbox("second", "A link:\n\nhttp://localhost/x")

    messages = operations._list_messages()

    assert [(m["index"], m["subject"]) for m in messages] == [(2, "second"), (1, "first")]
    assert messages[0]["to"] == "to@t.example"
    assert re.search(r"^http://localhost/x$", messages[0]["text"], re.MULTILINE)


def test_there_is_no_mailbox_in_production(client, settings):
    settings.MAILBOX_DIR = None

    assert client.get("/-/mail/").status_code == 404
    assert client.get("/-/mail/1/").status_code == 404


def test_message_that_is_not_there_is_not_found(client, mailbox):
    mailbox("first")

    assert client.get("/-/mail/2/").status_code == 404
