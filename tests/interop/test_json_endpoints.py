"""Schemathesis sends what the OpenAPI documents allow, and what they do not: never a 5xx.

Each document is walked twice: with credentials that open the operation, and with invented ones.
Each test calls from a loopback address of its own, so that the throttle of wrong guesses, which
counts by network, holds up nobody else.
"""

import base64
import contextlib
import itertools
import secrets
from unittest import SkipTest

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from requests.adapters import HTTPAdapter
from schemathesis import checks

from tests.interop.conftest import DEVICE, TOKEN_EXCHANGE
from tests.live_stack import ROOT

pytestmark = pytest.mark.live


def list_operations(name):
    document = schemathesis.openapi.from_path(ROOT / "docs" / f"{name}.yaml")
    return [found.ok() for found in document.get_all_operations()]


def each_operation(name):
    return pytest.mark.parametrize(
        "operation", list_operations(name), ids=lambda operation: operation.label
    )


AS_DOCUMENTED = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]
ADDRESSES = (f"127.0.2.{number}" for number in itertools.count(1))


def try_out(operation, examples, call):
    """Call with what the document allows, then with what it does not, where it forbids anything."""
    for mode in schemathesis.GenerationMode:
        given_cases = given(case=operation.as_strategy(mode))
        bounded = settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        )
        with contextlib.suppress(Unsatisfiable, SkipTest):
            bounded(given_cases(call))()


@pytest.fixture
def session():
    """Connections from an address that no other test has."""
    with requests.Session() as session:
        session.mount("http://", _From(next(ADDRESSES)))
        yield session


class _From(HTTPAdapter):
    """Connections that leave from this address."""

    def __init__(self, address):
        self._address = address
        super().__init__()

    def init_poolmanager(self, *arguments, **options):
        super().init_poolmanager(*arguments, **options, source_address=(self._address, 0))


@pytest.fixture(scope="module")
def everyones_client(app):
    grants = ["authorization_code", "refresh_token", "client_credentials"]
    return app(grant_types=[*grants, DEVICE, TOKEN_EXCHANGE])


@pytest.fixture(scope="module")
def authorization(stack, everyones_client, persons_token, registrar_token, initial_access_token):
    """The `Authorization` that opens an operation, by the beginning of its path."""
    about_themselves = persons_token(everyones_client, "openid email", resource=None)
    manager = stack.ask("new_management_client", f"fuzzer-{secrets.token_hex(4)}")
    manage = stack.token(scope="manage", client=manager, resource=f"{stack.issuer}/api")
    pair = f"{everyones_client['client_id']}:{everyones_client['client_secret']}"
    return {
        "/.well-known/": None,
        "/oauth/jwks": None,
        "/oauth/userinfo": f"Bearer {about_themselves}",
        "/oauth/protected-resources": f"Bearer {registrar_token}",
        "/oauth/register": f"Bearer {initial_access_token}",
        "/oauth/": f"Basic {base64.b64encode(pair.encode()).decode()}",
        "/api/": f"Bearer {manage}",
    }


@pytest.fixture
def record(app):
    """A client that may be changed and deleted."""
    return app()


@each_operation("token-service-api")
def test_token_service_answers_its_clients_as_documented(
    operation, stack, session, authorization, record
):
    def call(case):
        if "client_id" in (case.path_parameters or {}):
            aim_at(case, record)
        else:
            open_operation(case, authorization)
        case.call_and_validate(base_url=stack.issuer, session=session, checks=AS_DOCUMENTED)

    try_out(operation, 8, call)


@each_operation("token-service-api")
def test_token_service_answers_strangers_as_documented(operation, stack, session):
    def call(case):
        case.call_and_validate(base_url=stack.issuer, session=session, checks=AS_DOCUMENTED)

    try_out(operation, 2, call)


@each_operation("management-api")
def test_management_api_never_fails_its_operator(operation, stack, session, authorization):
    def call(case):
        open_operation(case, authorization)
        case.call_and_validate(
            base_url=stack.issuer, session=session, checks=[checks.not_a_server_error]
        )

    try_out(operation, 8, call)


@each_operation("management-api")
def test_management_api_never_fails_a_stranger(operation, stack, session):
    def call(case):
        case.call_and_validate(
            base_url=stack.issuer, session=session, checks=[checks.not_a_server_error]
        )

    try_out(operation, 2, call)


def open_operation(case, authorization):
    known = next(value for path, value in authorization.items() if case.path.startswith(path))
    case.headers.pop("Authorization", None)
    if known is not None:
        case.headers["Authorization"] = known


def aim_at(case, client):
    case.path_parameters["client_id"] = client["client_id"]
    case.headers["Authorization"] = f"Bearer {client['registration_access_token']}"
    if isinstance(case.body, dict):
        case.body["client_id"] = client["client_id"]
