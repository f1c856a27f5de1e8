import json

import pytest
from django.urls import reverse
from jwcrypto.jwk import JWK

from ims.models import ClaimMapping
from tests.factories.identity import make_client, make_resource

pytestmark = pytest.mark.django_db


@pytest.fixture
def resource():
    return make_resource(readers=[make_client().client])


def post(browser, record, rows=(), **changes):
    """Send the page of `record`; `rows` are (source, claim) of the mapping table."""
    present = list(record.claim_mappings.order_by("pk"))
    form = {
        "jwt_signing_alg": "ES256",
        "jwt_encryption_alg": "",
        "jwks": "",
        "jwks_uri": "",
        "claim_mappings-TOTAL_FORMS": len(present) + len(rows),
        "claim_mappings-INITIAL_FORMS": len(present),
        "scopes-TOTAL_FORMS": 0,
        "scopes-INITIAL_FORMS": 0,
    }
    for at, row in enumerate(present):
        form |= {
            f"claim_mappings-{at}-id": row.pk,
            f"claim_mappings-{at}-source": row.source,
            f"claim_mappings-{at}-claim": row.claim,
        }
    for at, (source, claim) in enumerate(rows, len(present)):
        form |= {
            f"claim_mappings-{at}-source": source,
            f"claim_mappings-{at}-claim": claim,
        }
    url = reverse("admin:ims_protectedresource_change", args=[record.pk])
    response = browser.post(url, form | changes)
    record.refresh_from_db()
    return response


def get_mappings(record):
    return dict(record.claim_mappings.values_list("claim", "source"))


def test_claims_are_mapped_in_a_table(admin_client, resource):
    response = post(admin_client, resource, [("username", "login"), ("client_name", "app")])

    assert response.status_code == 302
    assert get_mappings(resource) == {"login": "username", "app": "client_name"}


def test_mapping_is_removed(admin_client, resource):
    ClaimMapping.objects.create(protected_resource=resource, source="username", claim="login")
    ClaimMapping.objects.create(protected_resource=resource, source="email", claim="mail")

    post(admin_client, resource, **{"claim_mappings-0-DELETE": "on"})

    assert get_mappings(resource) == {"mail": "email"}


@pytest.mark.parametrize("claim", ["sub", "aud", "act", "cnf", "scope", "username", "1st", "a b"])
def test_mapping_to_a_claim_of_the_token_service_is_refused(admin_client, resource, claim):
    response = post(admin_client, resource, [("username", claim)])

    assert response.status_code == 200
    assert "no claim of the token service" in response.content.decode()
    assert get_mappings(resource) == {}


def test_source_outside_of_the_registry_is_refused(admin_client, resource):
    assert post(admin_client, resource, [("password", "p")]).status_code == 200
    assert get_mappings(resource) == {}


def test_one_claim_has_one_source(admin_client, resource):
    rows = [("username", "login"), ("email", "login")]

    assert post(admin_client, resource, rows).status_code == 200
    assert get_mappings(resource) == {}


def test_jwt_is_configured(admin_client, resource):
    key = json.loads(JWK.generate(kty="EC", crv="P-256").export_public())

    response = post(
        admin_client,
        resource,
        jwt_signing_alg="PS256",
        jwt_encryption_alg="ECDH-ES",
        jwks=json.dumps({"keys": [key]}),
    )

    assert response.status_code == 302
    assert (resource.jwt_signing_alg, resource.jwt_encryption_alg) == ("PS256", "ECDH-ES")
    assert resource.jwks == {"keys": [key]}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"jwt_encryption_alg": "ECDH-ES"}, "a key to encrypt to is needed"),
        ({"jwks": '{"keys": []}'}, "1 to 20 keys"),
        ({"jwks": '{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'}, "private or secret key"),
        ({"jwks_uri": "file:///etc/passwd"}, "public https URL"),
        (
            {"jwt_encryption_alg": "RSA-OAEP-256", "jwks": '{"keys": [{"kty": "EC"}]}'},
            "no key in it can be encrypted to",
        ),
    ],
)
def test_wrong_settings_are_refused_with_the_mend(admin_client, resource, changes, text):
    response = post(admin_client, resource, **changes)

    assert response.status_code == 200
    assert text in response.content.decode()
    assert (resource.jwt_encryption_alg, resource.jwks, resource.jwks_uri) == ("", None, "")


def test_keys_of_an_address_are_shown_and_kept(admin_client, resource):
    resource.jwks_uri = "https://api.example/jwks"
    resource.jwks = {"keys": [{"kty": "EC"}]}
    resource.save()

    response = post(
        admin_client,
        resource,
        jwks_uri="https://api.example/jwks",
        jwks=json.dumps(resource.jwks),
        jwt_signing_alg="EdDSA",
    )

    assert response.status_code == 302
    assert resource.jwt_signing_alg == "EdDSA"
    assert resource.jwks == {"keys": [{"kty": "EC"}]}


def test_keys_of_a_former_address_go(admin_client, resource):
    resource.jwks_uri = "https://api.example/jwks"
    resource.jwks = {"keys": [{"kty": "EC"}]}
    resource.save()

    post(
        admin_client,
        resource,
        jwks_uri="https://other.example/jwks",
        jwks=json.dumps(resource.jwks),
    )

    assert (resource.jwks_uri, resource.jwks) == ("https://other.example/jwks", None)
