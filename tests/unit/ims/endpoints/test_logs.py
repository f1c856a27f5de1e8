"""No credential reaches a log, whatever an endpoint does with it (CONVENTIONS: errors, rule 6)."""

import asyncio
import json
import logging
import re
from urllib.parse import urlencode

import pytest

from ims.endpoints.revocation_feed import build_application
from ims.services.bootstrap_installation import bootstrap_installation
from ims.services.create_signing_key import create_signing_key
from tests.factories.identity import (
    basic,
    bearer_headers,
    make_access_token,
    make_client,
    make_grant,
    make_refresh_token,
    make_resource,
    make_user,
)

FORM = "application/x-www-form-urlencoded"
CREDENTIAL = re.compile(r"tg[a-z]{2}_[0-9A-Za-z]|eyJ|Basic [A-Za-z0-9+/=]{8}")


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.DEBUG)
    yield caplog
    lines = [logging.Formatter().format(record) for record in caplog.get_records("call")]
    assert lines
    assert not [line for line in lines if CREDENTIAL.search(line)]


@pytest.mark.django_db
def test_introspection_and_revocation(client, log):
    create_signing_key()
    gateway = make_client()
    make_resource(readers=[gateway.client])
    owner = make_client()
    token, _ = make_access_token(owner.client)
    refresh_token, _ = make_refresh_token(make_grant(owner.client, make_user()))
    wrong = {"Authorization": basic(gateway.client.client_id, owner.secret)}

    for headers in (gateway.headers, wrong, {}):
        for accept in ("application/json", "application/jwt"):
            body = urlencode({"token": token})
            headers_sent = {**headers, "Accept": accept}
            client.post("/oauth/introspect", body, content_type=FORM, headers=headers_sent)
    for known in (gateway, owner):
        for credential in (token, refresh_token):
            body = urlencode({"token": credential, **known.form})
            client.post("/oauth/revoke", body, content_type=FORM)
            body = urlencode({"token": credential})
            client.post("/oauth/revoke", body, content_type=FORM, headers=known.headers)


@pytest.mark.django_db
def test_registration(client, log):
    made = bootstrap_installation(issuer="https://id.example", gateway_secret=None, ams_secret=None)
    permission = bearer_headers(made.portal_initial_access_token)
    document = json.dumps({"redirect_uris": ["https://app.example/cb"]})
    registered = client.post(
        "/oauth/register", document, content_type="application/json", headers=permission
    ).json()
    path = "/oauth/register/" + registered["client_id"]

    for headers in (bearer_headers(registered["registration_access_token"]), permission, {}):
        secret = {"client_id": registered["client_id"], "client_secret": made.ams_secret}
        body = json.dumps(secret)
        client.put(path, body, content_type="application/json", headers=headers)
        client.post(path + "/secret", content_type="application/json", headers=headers)
        client.get(path, headers=headers)
        client.put("/oauth/protected-resources", body, headers=headers)
        client.delete(path, headers=headers)


@pytest.mark.django_db(transaction=True)
def test_feed(log):
    known = make_client()
    header = basic(known.client.client_id, make_client().secret)

    async def send(_message):
        return None

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/oauth/revocations",
        "query_string": b"",
        "headers": [(b"authorization", header.encode())],
    }
    asyncio.run(build_application(None)(scope, asyncio.Queue().get, send))
