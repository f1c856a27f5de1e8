"""Clients that others wrote, and what each test of them needs: a person, a registration."""

import json
import secrets

import httpx
import pytest

from tests.interop import apache_server, node_scenario
from tests.interop.client_keys import generate_decryption_key
from tests.interop.consent_robot import ConsentRobot
from tests.interop.document_server import serve_documents
from tests.interop.robot_server import serve_robot
from tests.interop.sign_in import sign_in

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
REDIRECT_URI = "https://client.interop.example/callback"
RESOURCE = "https://api.interop.example/v1"
OBSTACLES = {"node": node_scenario.find_obstacle, "apache": apache_server.find_obstacle}


def pytest_collection_modifyitems(items):
    """Skip before the stack is started for nothing."""
    for item in items:
        for name, find_obstacle in OBSTACLES.items():
            for marker in item.iter_markers(name):
                if reason := find_obstacle(*marker.args):
                    item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def metadata(stack):
    answer = httpx.get(f"{stack.issuer}/.well-known/oauth-authorization-server", timeout=15)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture(scope="session")
def person(stack):
    """Somebody who uses applications; signed in once for all tests that do not sign out."""
    robot = ConsentRobot(stack.issuer, stack.quickstart["developer"])
    yield robot
    robot.close()


@pytest.fixture
def new_person(stack):
    """Make people with a browser profile of their own, not signed in."""
    robots = []

    def make():
        email, password = f"person-{secrets.token_hex(4)}@example.com", secrets.token_urlsafe(18)
        stack.ask("new_person", email, password)
        robots.append(ConsentRobot(stack.issuer, {"email": email, "password": password}))
        return robots[-1]

    yield make
    for robot in robots:
        robot.close()


@pytest.fixture(scope="session")
def initial_access_token(stack, metadata):
    return stack.ask("new_initial_access_token", metadata["grant_types_supported"])


@pytest.fixture(scope="session")
def register(metadata, initial_access_token):
    """Register a client (RFC 7591) and return what the token service answered."""

    def register_client(**members):
        answer = httpx.post(
            metadata["registration_endpoint"],
            json={"client_name": f"Interop {secrets.token_hex(4)}", **members},
            headers={"Authorization": f"Bearer {initial_access_token}"},
            timeout=15,
        )
        assert answer.status_code == 201, answer.text
        return answer.json()

    return register_client


@pytest.fixture(scope="session")
def app(register):
    """Make a client of a web application with people; `members` override what it registers."""

    def make(**members):
        return register(
            **{
                "redirect_uris": [REDIRECT_URI],
                "grant_types": ["authorization_code", "refresh_token"],
                **members,
            }
        )

    return make


@pytest.fixture(scope="session")
def service(register):
    """Make a client without people."""

    def make(**members):
        return register(**{"grant_types": ["client_credentials"], **members})

    return make


@pytest.fixture(scope="session")
def device(register):
    """Make a client of something without a browser."""

    def make(**members):
        return register(
            **{
                "token_endpoint_auth_method": "none",
                "grant_types": [DEVICE, "refresh_token"],
                **members,
            }
        )

    return make


@pytest.fixture(scope="session")
def registrar_token(stack):
    """A token that may declare protected resources."""
    registrar = json.loads((stack.home / "secrets" / "tollgate-ams.json").read_text())
    resource = f"{stack.issuer}/oauth/protected-resources"
    return stack.token(scope="resources:write", client=registrar, resource=resource)


@pytest.fixture(scope="session")
def sealed_server(service):
    """A second client of the same API, whose answers are encrypted; with its private key."""
    key, jwks = generate_decryption_key("ECDH-ES")
    client = service(
        introspection_signed_response_alg="ES256",
        introspection_encrypted_response_alg="ECDH-ES",
        introspection_encrypted_response_enc="A256GCM",
        jwks=jwks,
    )
    return client, key.as_dict(private=True)


@pytest.fixture(scope="session")
def resource_server(stack, service, sealed_server, registrar_token):
    """Somebody else's API, which asks the token service about tokens itself."""
    client = service()
    declaration = {
        "resource": RESOURCE,
        "resource_name": "An API of others",
        "scopes": [
            {"name": "interop:read", "description": "Read"},
            {"name": "interop:write", "description": "Write"},
        ],
        "claims": ["email"],
        "introspection_clients": [client["client_id"], sealed_server[0]["client_id"]],
    }
    answer = httpx.put(
        f"{stack.issuer}/oauth/protected-resources",
        json=declaration,
        headers={"Authorization": f"Bearer {registrar_token}"},
        timeout=15,
    )
    assert answer.status_code == 200, answer.text
    return client


@pytest.fixture(scope="session")
def persons_token(metadata, person, resource_server):
    """Get an access token of the person for a client."""

    def get(client, scope, resource=RESOURCE):
        answer = sign_in(metadata, person, client, scope=scope, resource=resource)
        return answer["access_token"]

    return get


@pytest.fixture(scope="session")
def backend(stack, service):
    """Make a client that may exchange the tokens of another for `interop:read`."""

    def make(subject_client, **members):
        client = service(grant_types=["client_credentials", TOKEN_EXCHANGE], **members)
        names = (client["client_id"], subject_client["client_id"])
        stack.ask("allow_exchange", *names, [RESOURCE], ["interop:read"])
        return client

    return make


@pytest.fixture(scope="session")
def introspect(stack, metadata, resource_server):
    """Ask about a token as the resource server would."""
    pair = (resource_server["client_id"], resource_server["client_secret"])

    def ask(token):
        answer = httpx.post(
            metadata["introspection_endpoint"], data={"token": token}, auth=pair, timeout=15
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    return ask


@pytest.fixture(scope="session")
def documents(stack):
    """The origin of somebody's web server, and its documents by path."""
    with serve_documents(stack.home / "tls") as served:
        yield served


@pytest.fixture(scope="session")
def robot_url(person):
    with serve_robot(person) as url:
        yield url


@pytest.fixture
def run(stack, person, resource_server, robot_url):
    """Run a node scenario; what every scenario gets is filled in."""
    common = {
        "issuer": stack.issuer,
        "robot": robot_url,
        "email": person.person["email"],
        "resource": RESOURCE,
        "resource_server": resource_server,
    }

    def run_scenario(name, **config):
        return node_scenario.run_scenario(name, {**common, **config}, ca_file=stack.ca_file)

    return run_scenario
