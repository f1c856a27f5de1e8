import re

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from ims.models import AccessToken, ClaimMapping, SigningKey
from ims.services.create_signing_key import create_signing_key
from tests.factories.identity import make_client, make_grant, make_resource, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def resource():
    record = make_resource(claims=["email"], scopes=("orders:read", "orders:write"))
    ClaimMapping.objects.create(protected_resource=record, source="client_name", claim="app")
    return record


@pytest.fixture
def shop():
    return make_client(name="Shop").client


def address(record):
    return reverse("admin:ims_protectedresource_preview", args=[record.pk])


def show(browser, record, **form):
    return browser.post(address(record), form).content.decode()


def cells(page):
    return dict(re.findall(r"<code>([\w:]+)</code></td>\s*<td[^>]*><code>(.*?)</code>", page))


def test_preview_shows_what_the_api_would_read(admin_client, resource, shop):
    create_signing_key()
    user = make_user(email="ada@example.com")
    make_grant(shop, user, acr="2", amr=["pwd", "otp"])

    page = show(admin_client, resource, client=shop.pk, user=user.pk, scopes=["orders:read"])

    claims = cells(page)
    assert claims["sub"] == f"&quot;{user.subject}&quot;"
    assert claims["aud"] == f"&quot;{resource.resource}&quot;"
    assert claims["scope"] == "&quot;orders:read&quot;"
    assert claims["email"] == "&quot;ada@example.com&quot;"
    assert claims["app"] == "&quot;Shop&quot;"
    assert claims["acr"] == "&quot;2&quot;"
    assert "User: e-mail address (declared by the API)" in page
    assert "Client: name (mapping)" in page
    assert SigningKey.objects.get().kid in page


def test_preview_makes_no_token(admin_client, resource, shop):
    create_signing_key()

    page = show(admin_client, resource, client=shop.pk, user=make_user().pk)

    assert not re.search(r"eyJ[\w-]+\.eyJ", page)
    assert "tgat_" not in page
    assert not AccessToken.objects.exists()


def test_preview_of_a_clients_own_token_has_no_person(admin_client, resource, shop):
    claims = cells(show(admin_client, resource, client=shop.pk))

    assert claims["sub"] == f"&quot;{shop.client_id}&quot;"
    assert claims["scope"] == "&quot;orders:read orders:write&quot;"
    assert "email" not in claims


def test_preview_says_when_nobody_would_get_the_token(admin_client, resource):
    limited = make_client(scopes=["orders:read"]).client

    page = show(admin_client, resource, client=limited.pk, scopes=["orders:write"])

    assert "No such token is issued" in page
    assert "not among the scopes this client registered" in page


def test_preview_names_the_encryption(admin_client, resource, shop):
    resource.jwt_encryption_alg = "ECDH-ES"
    resource.save()

    assert "encrypted to the API&#x27;s key with ECDH-ES" in show(
        admin_client, resource, client=shop.pk
    ) or "ECDH-ES and A256GCM" in show(admin_client, resource, client=shop.pk)


def test_form_is_reached_from_the_page_of_the_resource(admin_client, resource):
    page = admin_client.get(reverse("admin:ims_protectedresource_change", args=[resource.pk]))

    assert address(resource) in page.content.decode()
    assert admin_client.get(address(resource)).status_code == 200


@pytest.mark.parametrize("missing", ["view_user", "view_client", "view_protectedresource"])
def test_preview_needs_the_right_to_see_all_three(client, resource, missing):
    staff = make_user(is_staff=True)
    wanted = {"view_user", "view_client", "view_protectedresource"} - {missing}
    staff.user_permissions.set(Permission.objects.filter(codename__in=wanted))
    client.force_login(staff)

    assert client.get(address(resource)).status_code == 403
