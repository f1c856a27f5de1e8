"""Keys that a client publishes at its `jwks_uri`."""

import json

import pytest

from ims.outbound import get_document
from ims.queries.client_keys import RENEW_SECONDS
from tests.compliance.rfc7523_private_key_jwt.conftest import make_key_client
from tests.compliance.rfc7523_private_key_jwt.test_assertions import ask, is_refused
from tests.factories.identity import make_client, make_resource
from tests.factories.keys import make_claims, make_key
from tests.unit.ims.outbound.web_server import answering, serving

pytestmark = pytest.mark.django_db


class Publisher:
    """Publishes what `keys` holds at the moment."""

    def __init__(self):
        self.keys = []

    def __call__(self, connection, request):
        body = json.dumps({"keys": [key.jwk for key in self.keys]}).encode()
        answering(body, cache_control="max-age=600")(connection, request)


@pytest.fixture
def publisher(settings):
    settings.OUTBOUND_ALLOW_PRIVATE = True
    make_resource(scopes=["orders:read"])
    publisher = Publisher()
    with serving(publisher) as server:
        publisher.server = server
        publisher.client = make_client(
            token_endpoint_auth_method="private_key_jwt",
            metadata={"jwks_uri": server.url("/jwks")},
            scopes=["orders:read"],
        ).client
        yield publisher


@pytest.mark.compliance("RFC 7591", "2", "keys are read from jwks_uri")
def test_published_key_proves_the_client(client, publisher):
    key = make_key(kid="one")
    publisher.keys = [key]

    for _ in range(2):
        response = ask(client, key.sign(make_claims(publisher.client.client_id)))
        assert response.status_code == 200

    assert len(publisher.server.requests) == 1


def test_new_key_is_found_when_the_copy_is_old_enough(client, publisher, monkeypatch):
    old, new = make_key(kid="old"), make_key(kid="new")
    publisher.keys = [old]
    client_id = publisher.client.client_id
    assert ask(client, old.sign(make_claims(client_id))).status_code == 200
    publisher.keys = [new]

    assert is_refused(ask(client, new.sign(make_claims(client_id))))
    real = get_document.time.time
    monkeypatch.setattr(get_document.time, "time", lambda: real() + RENEW_SECONDS + 1)
    assert ask(client, new.sign(make_claims(client_id, exp=real() + 300))).status_code == 200


def test_unknown_keys_do_not_make_us_ask_each_time(client, publisher):
    publisher.keys = [make_key(kid="one")]
    for _ in range(5):
        assertion = make_key(kid="other").sign(make_claims(publisher.client.client_id))
        assert is_refused(ask(client, assertion))

    assert len(publisher.server.requests) == 1


@pytest.mark.parametrize("body", [b"", b"[]", b'{"keys": 1}', b'{"keys": [1, {}]}', b"\xff"])
def test_document_without_keys_proves_nothing(client, settings, body):
    settings.OUTBOUND_ALLOW_PRIVATE = True
    key = make_key(kid="one")
    with serving(answering(body)) as server:
        app = make_client(
            token_endpoint_auth_method="private_key_jwt",
            metadata={"jwks_uri": server.url("/jwks")},
        ).client
        assert is_refused(ask(client, key.sign(make_claims(app.client_id))))


def test_private_address_is_not_asked(client, publisher, settings):
    settings.OUTBOUND_ALLOW_PRIVATE = False
    publisher.keys = [make_key(kid="one")]
    assertion = publisher.keys[0].sign(make_claims(publisher.client.client_id))

    assert is_refused(ask(client, assertion))
    assert publisher.server.connections == 0


def test_given_keys_come_before_published_ones(client, publisher):
    key = make_key()
    app = make_key_client(key, jwks_uri=publisher.server.url("/jwks"))

    assert ask(client, key.sign(make_claims(app.client_id))).status_code == 200
    assert publisher.server.connections == 0
