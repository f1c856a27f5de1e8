import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from ims.errors import SecretEndFixed
from ims.models import AuditEvent, Client, ClientSecret, InitialAccessToken, RevocationEvent
from ims.services.change_client_secret import change_client_secret
from tests.factories.identity import (
    make_access_token,
    make_client,
    make_public_client,
    make_resource,
)
from wire import bearer

pytestmark = pytest.mark.django_db


def secret_rows(client, *, delete=(), **changes):
    """Return the form of the secrets on a client's page; `changes` are of the newest."""
    secrets = list(client.secrets.order_by("-created_at"))
    form = {"secrets-TOTAL_FORMS": len(secrets), "secrets-INITIAL_FORMS": len(secrets)}
    for at, secret in enumerate(secrets):
        form |= {f"secrets-{at}-id": secret.pk, f"secrets-{at}-client": client.pk}
        if secret in delete:
            form[f"secrets-{at}-DELETE"] = "on"
        if secret.expires_at is not None:
            form[f"secrets-{at}-expires_at_0"] = f"{secret.expires_at:%Y-%m-%d}"
            form[f"secrets-{at}-expires_at_1"] = f"{secret.expires_at:%H:%M:%S}"
        form[f"secrets-{at}-label"] = secret.label
    return form | {f"secrets-0-{name}": value for name, value in changes.items()}


def ending(moment):
    """Return what `secret_rows` takes for an end of the newest secret; None: it has none."""
    if moment is None:
        return {"expires_at_0": "", "expires_at_1": ""}
    return {"expires_at_0": f"{moment:%Y-%m-%d}", "expires_at_1": f"{moment:%H:%M:%S}"}


def act(admin_client, name, *clients):
    form = {"action": name, "_selected_action": [client.pk for client in clients]}
    return admin_client.post(reverse("admin:ims_client_changelist"), form, follow=True)


def test_client_page_shows_the_record_and_no_digest(admin_client):
    known = make_client(name="Orders app")
    digest = bearer.digest(known.secret).hex()

    page = admin_client.get(reverse("admin:ims_client_change", args=[known.client.pk]))

    text = page.content.decode()
    assert page.status_code == 200
    assert "Orders app" in text
    assert digest not in text
    assert "digest" not in text


def test_change_in_admin_leaves_what_the_client_declared(admin_client):
    client = make_client(name="Orders app").client
    url = reverse("admin:ims_client_change", args=[client.pk])

    admin_client.post(
        url,
        {"scopes": "orders:read", "is_first_party": "on", "name": "Hijacked"} | secret_rows(client),
    )

    client.refresh_from_db()
    assert (client.name, client.scopes, client.is_first_party) == (
        "Orders app",
        ["orders:read"],
        True,
    )


@pytest.mark.parametrize(("name", "is_disabled"), [("disable", True), ("revoke_tokens", False)])
def test_tokens_end_from_the_list(admin_client, name, is_disabled):
    client = make_client().client
    make_access_token(client)

    act(admin_client, name, client)

    client.refresh_from_db()
    assert RevocationEvent.objects.count() == 1
    assert (client.disabled_at is not None) is is_disabled


def test_deleting_tells_the_gateways(admin_client):
    client = make_client().client
    make_access_token(client)
    url = reverse("admin:ims_client_delete", args=[client.pk])

    admin_client.post(url, {"post": "yes"})

    assert not Client.objects.exists()
    assert RevocationEvent.objects.count() == 1


def test_rotated_secret_is_shown_once(admin_client):
    known = make_client()

    shown = re.search(
        "tgcs_[0-9A-Za-z]{49}", act(admin_client, "rotate_secret", known.client).content.decode()
    )

    again = admin_client.get(reverse("admin:ims_client_changelist")).content.decode()
    assert bytes(ClientSecret.objects.get().digest) == bearer.digest(shown[0])
    assert shown[0] not in again


def test_secrets_of_public_or_several_clients_are_not_rotated(admin_client):
    known, public = make_client(), make_public_client()

    act(admin_client, "rotate_secret", public)
    act(admin_client, "rotate_secret", known.client, public)

    assert bytes(ClientSecret.objects.get().digest) == bearer.digest(known.secret)


def test_clients_are_not_added_by_hand(admin_client):
    assert admin_client.get(reverse("admin:ims_client_add")).status_code == 403


def test_new_initial_access_token_is_shown_once(admin_client):
    form = {"label": "partners", "allowed_grant_types": "authorization_code", "allowed_scopes": ""}

    page = admin_client.post(reverse("admin:ims_initialaccesstoken_add"), form, follow=True)

    shown = re.search("tgia_[0-9A-Za-z]{49}", page.content.decode())
    record = InitialAccessToken.objects.get()
    assert bytes(record.digest) == bearer.digest(shown[0])
    assert record.allowed_grant_types == ["authorization_code"]
    change = admin_client.get(reverse("admin:ims_initialaccesstoken_change", args=[record.pk]))
    assert shown[0] not in change.content.decode()


def test_protected_resources_are_read_only(admin_client):
    record = make_resource(readers=[make_client().client])
    url = reverse("admin:ims_protectedresource_change", args=[record.pk])

    assert "orders:read" in admin_client.get(url).content.decode()
    assert admin_client.get(reverse("admin:ims_protectedresource_changelist")).status_code == 200
    admin_client.post(url, {"name": "x", "scopes-TOTAL_FORMS": 0, "scopes-INITIAL_FORMS": 0})
    record.refresh_from_db()
    assert record.name == "API"
    assert admin_client.get(reverse("admin:ims_protectedresource_add")).status_code == 403


def test_a_secret_is_ended_on_the_clients_page(admin_client):
    client = make_client().client
    kept = client.secrets.get()
    gone = ClientSecret.objects.create(client=client, digest=b"g" * 32, label="old")
    url = reverse("admin:ims_client_change", args=[client.pk])

    admin_client.post(url, secret_rows(client, delete=[gone]))

    assert list(client.secrets.all()) == [kept]


def test_added_secret_leaves_the_former_one(admin_client):
    known = make_client()

    page = act(admin_client, "add_secret", known.client)

    shown = re.search("tgcs_[0-9A-Za-z]{49}", page.content.decode())
    digests = {bytes(secret.digest) for secret in known.client.secrets.all()}
    assert digests == {bearer.digest(known.secret), bearer.digest(shown[0])}


def test_rotation_with_overlap_gives_the_former_secret_a_day(admin_client):
    known = make_client()

    act(admin_client, "rotate_secret_with_overlap", known.client)

    former = known.client.secrets.get(digest=bearer.digest(known.secret))
    assert timedelta(hours=23) < former.expires_at - timezone.now() <= timedelta(hours=24)


def test_administrator_labels_a_secret_and_lets_it_end(admin_client):
    client = make_client().client
    url = reverse("admin:ims_client_change", args=[client.pk])
    end = (timezone.now() + timedelta(days=30)).replace(microsecond=0)

    admin_client.post(url, secret_rows(client, label="CI of the shop", **ending(end)))

    secret = client.secrets.get()
    assert (secret.label, secret.expires_at) == ("CI of the shop", end)
    event = AuditEvent.objects.get(event="client.secret_rotated", client_id=client.client_id)
    assert event.detail["label"] == "CI of the shop"
    assert event.actor


@pytest.mark.parametrize("days", [None, -1, 3])
def test_end_of_a_secret_is_neither_put_off_nor_in_the_past(admin_client, days):
    client = make_client().client
    planned = timezone.now() + timedelta(days=2)
    client.secrets.update(expires_at=planned)
    url = reverse("admin:ims_client_change", args=[client.pk])
    end = None if days is None else timezone.now() + timedelta(days=days)

    page = admin_client.post(url, secret_rows(client, label="later", **ending(end)))

    assert page.status_code == 200
    assert (client.secrets.get().label, client.secrets.get().expires_at) == ("", planned)


def test_ended_secret_is_not_revived(admin_client):
    client = make_client().client
    over = timezone.now() - timedelta(seconds=5)
    client.secrets.update(expires_at=over)
    url = reverse("admin:ims_client_change", args=[client.pk])

    for end in (None, timezone.now() + timedelta(days=1)):
        admin_client.post(url, secret_rows(client, label="alive", **ending(end)))

    assert (client.secrets.get().label, client.secrets.get().expires_at) == ("", over)


def test_secret_that_ended_since_the_form_was_read_stays_so():
    secret = make_client().client.secrets.get()
    ClientSecret.objects.update(expires_at=timezone.now())

    with pytest.raises(SecretEndFixed):
        change_client_secret(secret_id=secret.pk, label="x", expires_at=None)

    assert ClientSecret.objects.get().expires_at is not None


def test_row_that_was_left_alone_keeps_its_end_to_the_microsecond(admin_client):
    client = make_client().client
    planned = timezone.now().replace(microsecond=123456) + timedelta(days=2)
    client.secrets.update(expires_at=planned)
    url = reverse("admin:ims_client_change", args=[client.pk])

    admin_client.post(url, secret_rows(client, label="kept"))

    assert (client.secrets.get().label, client.secrets.get().expires_at) == ("kept", planned)


def test_client_without_secrets_gets_none(admin_client):
    page = act(admin_client, "add_secret", make_public_client())

    assert "without a secret" in page.content.decode()
    assert not ClientSecret.objects.exists()


def test_metadata_document_makes_nobody_first_party(admin_client):
    client = make_public_client(registration_source="cimd")
    url = reverse("admin:ims_client_change", args=[client.pk])

    page = admin_client.post(url, {"is_first_party": "on"} | secret_rows(client))

    client.refresh_from_db()
    assert client.is_first_party is False
    assert "first party" in page.content.decode()


def test_initial_access_token_for_an_unknown_grant_is_not_made(admin_client):
    url = reverse("admin:ims_initialaccesstoken_add")

    page = admin_client.post(url, {"label": "odd", "allowed_grant_types": "implicit"})

    assert "implicit is not possible" in page.content.decode()
    assert not InitialAccessToken.objects.exists()
