import json
import threading
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from django.utils import timezone
from jwcrypto.jwk import JWK

from ims import tasks
from ims.services.read_resource_keys import read_resource_keys
from tests.factories.identity import INVOICES, make_resource

pytestmark = pytest.mark.django_db
KEY = json.loads(JWK.generate(kty="EC", crv="P-256", kid="one").export_public())


@pytest.fixture(autouse=True)
def _private_allowed(settings):
    settings.OUTBOUND_ALLOW_PRIVATE = True


@contextmanager
def serve(body, status=200):
    """Run a web server that answers `body`; yield its address and the count of requests."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/jwks", asked
        finally:
            server.shutdown()
            thread.join(30)


def make(uri, **changes):
    record = make_resource()
    record.jwks_uri = uri
    for name, value in changes.items():
        setattr(record, name, value)
    record.save()
    return record


def test_published_keys_are_kept():
    with serve(json.dumps({"keys": [KEY], "more": 1}).encode()) as (uri, _):
        record = make(uri)

        assert read_resource_keys(protected_resource=record) is True

    record.refresh_from_db()
    assert record.jwks == {"keys": [KEY]}
    assert record.jwks_read_at is not None


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"nonsense", 200),
        (b'{"keys": []}', 200),
        (json.dumps({"keys": [KEY | {"d": "AA"}]}).encode(), 200),
        (b"{}", 404),
        (b"[" * 60_000, 200),
        (b" " * 70_000, 200),
    ],
)
def test_unusable_answer_leaves_the_keys_that_are_known(body, status):
    known = {"keys": [KEY]}
    with serve(body, status) as (uri, _):
        record = make(uri, jwks=known)

        assert read_resource_keys(protected_resource=record) is False

    record.refresh_from_db()
    assert record.jwks == known


def test_keys_of_an_address_that_was_changed_meanwhile_are_dropped():
    with serve(json.dumps({"keys": [KEY]}).encode()) as (uri, _):
        record = make(uri)
        record.__class__.objects.update(jwks_uri="https://other.example/jwks")

        read_resource_keys(protected_resource=record)

    record.refresh_from_db()
    assert record.jwks is None


def test_task_reads_new_and_old_keys_only():
    with serve(json.dumps({"keys": [KEY]}).encode()) as (uri, asked):
        fresh = make(uri, jwks_read_at=timezone.now())
        tasks.read_keys_of_resources()
        assert asked == []

        fresh.jwks_read_at = timezone.now() - timedelta(hours=2)
        fresh.save()
        tasks.read_keys_of_resources()
        assert len(asked) == 1


def test_resource_without_an_address_is_left_alone():
    make_resource(INVOICES)

    tasks.read_keys_of_resources()
