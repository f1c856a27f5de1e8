import pytest

from config import checks


def get_ids(messages):
    return [message.id for message in messages]


def test_short_secret_key_is_an_error(settings):
    settings.SECRET_KEY = "short"

    assert get_ids(checks.check_secret_key()) == ["config.E001"]


@pytest.mark.parametrize("issuer", ["https://id.example.com", "http://localhost:8000"])
def test_good_issuer_is_fine(settings, issuer):
    settings.ISSUER = issuer

    assert checks.check_issuer() == []


def test_plain_issuer_elsewhere_is_warned_about(settings):
    settings.ISSUER = "http://id.example.com"

    assert get_ids(checks.check_issuer()) == ["config.W001"]


@pytest.mark.parametrize("issuer", ["https://a.example/", "https://a.example?x=1"])
def test_malformed_issuer_is_an_error(settings, issuer):
    settings.ISSUER = issuer

    assert get_ids(checks.check_issuer()) == ["config.E002"]


def test_missing_servers_are_named(settings):
    settings.DATABASE_URL = ""

    (message,) = checks.check_servers()

    assert message.id == "config.E003"
    assert message.msg.startswith("DATABASE_URL is not set")
