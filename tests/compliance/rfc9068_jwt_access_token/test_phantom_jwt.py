import jwt
import pytest

from ims.models import ClaimMapping, SigningKey
from tests.compliance.rfc7662_introspection.test_introspection import JWT, introspect
from tests.factories.identity import (
    make_access_token,
    make_client,
    make_grant,
    make_resource,
    make_user,
)

pytestmark = pytest.mark.django_db
ACTOR = {"sub": "agent-1", "act": {"sub": "agent-2"}}


@pytest.fixture
def gateway():
    return make_client(client_id="gateway")


@pytest.fixture
def app():
    return make_client(name="Shop", metadata={"software_id": "shop-1"}).client


def read(response):
    text = response.content.decode()
    header = jwt.get_unverified_header(text)
    key = jwt.PyJWK(SigningKey.objects.get(kid=header["kid"]).public_jwk)
    options = {"verify_aud": False}
    return header, jwt.decode(text, key, algorithms=[header["alg"]], options=options)


def get_phantom(client, gateway, token):
    return read(introspect(client, gateway, token, JWT))


@pytest.mark.compliance("RFC 9068", "2.2", "iss, exp, aud, sub, client_id, iat and jti")
@pytest.mark.compliance("RFC 9068", "2.1", "the typ header is at+jwt, the JWT is signed")
@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256", "EdDSA"])
def test_api_chooses_the_algorithm(client, gateway, app, algorithm):
    resource = make_resource(readers=[gateway.client])
    resource.jwt_signing_alg = algorithm
    resource.save()
    token, _ = make_access_token(app)

    header, claims = get_phantom(client, gateway, token)

    assert (header["alg"], header["typ"]) == (algorithm, "at+jwt")
    assert {"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} <= set(claims)


@pytest.mark.compliance("RFC 9449", "6.1", "the phantom JWT carries cnf.jkt of a bound token")
@pytest.mark.compliance("RFC 9449", "6.2", "introspection names cnf.jkt and the type DPoP")
def test_binding_is_told(client, gateway, app):
    make_resource(readers=[gateway.client])
    token, _ = make_access_token(app, dpop_jkt="k" * 43)

    document = introspect(client, gateway, token).json()

    assert document["token_type"] == "DPoP"
    assert document["cnf"] == {"jkt": "k" * 43}
    assert get_phantom(client, gateway, token)[1]["cnf"] == {"jkt": "k" * 43}


@pytest.mark.compliance("RFC 8693", "4.1", "act names who acts for the subject, nested")
def test_actor_is_told(client, gateway, app):
    make_resource(readers=[gateway.client])
    user = make_user()
    token, _ = make_access_token(app, user=user, grant=make_grant(app, user), actor=ACTOR)

    assert introspect(client, gateway, token).json()["act"] == ACTOR
    assert get_phantom(client, gateway, token)[1]["act"] == ACTOR


def test_unbound_token_of_nobody_else_says_neither(client, gateway, app):
    make_resource(readers=[gateway.client])
    token, _ = make_access_token(app)

    assert not {"cnf", "act"} & set(introspect(client, gateway, token).json())
    assert not {"cnf", "act"} & set(get_phantom(client, gateway, token)[1])


def test_mapping_gives_an_attribute_the_apis_own_name(client, gateway, app):
    resource = make_resource(readers=[gateway.client], claims=["email"])
    for source, claim in [
        ("username", "login"),
        ("client_name", "https://api.example/app"),
        ("software_id", "software"),
        ("acr", "level"),
    ]:
        ClaimMapping.objects.create(protected_resource=resource, source=source, claim=claim)
    user = make_user(username="ada", email="ada@example.com")
    token, _ = make_access_token(app, user=user, grant=make_grant(app, user, acr="2"))

    _, claims = get_phantom(client, gateway, token)

    assert claims["login"] == "ada"
    assert claims["https://api.example/app"] == "Shop"
    assert claims["software"] == "shop-1"
    assert claims["level"] == "2"
    assert claims["email"] == "ada@example.com"
    assert introspect(client, gateway, token).json().items() >= {"login": "ada"}.items()


def test_mapping_wins_over_the_declaration(client, gateway, app):
    resource = make_resource(readers=[gateway.client], claims=["name"])
    ClaimMapping.objects.create(protected_resource=resource, source="username", claim="name")
    user = make_user(username="ada", first_name="Ada")
    token, _ = make_access_token(app, user=user, grant=make_grant(app, user))

    assert get_phantom(client, gateway, token)[1]["name"] == "ada"


@pytest.mark.compliance("RFC 9068", "4", "what an API decides by is never set by a mapping")
@pytest.mark.parametrize(
    "claim", ["sub", "iss", "aud", "exp", "scope", "client_id", "act", "cnf", "may_act", "jti"]
)
def test_registered_claims_cannot_be_mapped(client, gateway, app, claim):
    resource = make_resource(readers=[gateway.client])
    token, _ = make_access_token(app)
    before = get_phantom(client, gateway, token)[1]
    ClaimMapping.objects.create(protected_resource=resource, source="client_name", claim=claim)

    assert get_phantom(client, gateway, token)[1] == before
    assert introspect(client, gateway, token).json().get(claim) != "Shop"


def test_clients_own_token_has_no_claims_of_a_person(client, gateway, app):
    resource = make_resource(readers=[gateway.client], claims=["email", "groups"])
    ClaimMapping.objects.create(protected_resource=resource, source="client_name", claim="app")
    token, _ = make_access_token(app)

    _, claims = get_phantom(client, gateway, token)

    assert claims["app"] == "Shop"
    assert not {"email", "groups"} & set(claims)
