import re

import pytest
from django.contrib.sessions.models import Session

from ams import api as ams_api
from ams.data import SubscriberRef
from portal import credential_cipher
from portal.errors import CredentialUnreadable
from portal.models import Application
from tests.factories.catalog import make_plan


def submission_of(response):
    return re.search(rb'name="submission" value="([^"]+)"', response.content)[1].decode()


def create(browser, **changes):
    form = {"name": "Order sync", "kind": "server", "redirect_uris": ""}
    form["submission"] = submission_of(browser.get("/apps/new/"))
    return browser.post("/apps/new/", form | changes)


@pytest.fixture
def application(developer):
    create(developer)
    return Application.objects.get()


def secret_of(token_service, application):
    return token_service.clients[application.client_id]["client_secret"]


def test_application_is_registered_with_the_metadata_of_its_kind(developer, token_service):
    create(developer, kind="web", redirect_uris="https://app.example/cb\nhttp://localhost:1/cb")

    record = token_service.clients[Application.objects.get().client_id]
    assert record["client_name"] == "Order sync"
    assert record["grant_types"] == ["authorization_code", "refresh_token"]
    assert record["response_types"] == ["code"]
    assert record["redirect_uris"] == ["https://app.example/cb", "http://localhost:1/cb"]


def test_secret_is_shown_in_the_answer_and_never_again(developer, token_service):
    response = create(developer)

    application = Application.objects.get()
    secret = secret_of(token_service, application).encode()
    assert secret in response.content
    assert "no-store" in response["Cache-Control"]
    for address in ("/apps/", f"/apps/{application.id}/", f"/apps/{application.id}/edit/"):
        assert secret not in developer.get(address).content


def test_secret_and_registration_token_are_not_at_rest_in_clear(developer, token_service):
    create(developer)

    application = Application.objects.get()
    record = token_service.clients[application.client_id]
    sealed = bytes(application.registration_access_token_encrypted)
    assert record["registration_access_token"].encode() not in sealed
    for session in Session.objects.all():
        assert record["client_secret"] not in str(session.get_decoded())


def test_credential_of_one_application_does_not_open_another():
    sealed = credential_cipher.encrypt_credential("tgra_x", client_id="one")

    assert credential_cipher.decrypt_credential(sealed, client_id="one") == "tgra_x"
    with pytest.raises(CredentialUnreadable):
        credential_cipher.decrypt_credential(sealed, client_id="two")


def test_credential_survives_a_new_secret_key_that_names_the_old_one(settings):
    sealed = credential_cipher.encrypt_credential("tgra_x", client_id="one")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-secret-key-of-enough-characters"

    assert credential_cipher.decrypt_credential(sealed, client_id="one") == "tgra_x"
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(CredentialUnreadable):
        credential_cipher.decrypt_credential(sealed, client_id="one")


def test_reloading_the_credentials_page_registers_nothing_and_shows_nothing(
    developer, token_service
):
    submission = submission_of(developer.get("/apps/new/"))
    create(developer, submission=submission)
    secret = secret_of(token_service, Application.objects.get())

    response = create(developer, submission=submission)

    assert response.status_code == 302
    assert Application.objects.count() == 1
    assert secret.encode() not in response.content


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, b"This field is required"),
        ({"kind": "web"}, b"at least one redirect URI"),
        ({"kind": "web", "redirect_uris": "http://app.example/cb"}, b"has to use https"),
        ({"kind": "web", "redirect_uris": "https://app.example/cb#x"}, b"fragment"),
        ({"kind": "web", "redirect_uris": "https://*.example/cb"}, b"no wildcard"),
        ({"kind": "web", "redirect_uris": "javascript:alert(1)"}, b"whole https:// address"),
        ({"kind": "web", "redirect_uris": "https://user@app.example/"}, b"no user name"),
        ({"kind": "web", "redirect_uris": "https://[::1"}, b"is not an address"),
    ],
)
def test_unusable_form_is_answered_at_its_field(developer, token_service, changes, message):
    before = len(token_service.clients)

    response = create(developer, **changes)

    assert message in response.content
    assert len(token_service.clients) == before


def test_refusal_of_the_token_service_sits_at_the_field_it_names(developer, token_service):
    token_service.refuse_with = {
        "error": "invalid_redirect_uri",
        "error_description": "That host is not allowed here.",
    }

    response = create(developer, kind="web", redirect_uris="https://app.example/cb")

    errors = re.search(
        rb'<ul class="errorlist" id="id_redirect_uris_error">(.*?)</ul>', response.content
    )
    assert b"That host is not allowed here." in errors[1]
    assert not Application.objects.exists()


def test_refused_form_can_be_mended_and_sent_again(developer, token_service):
    token_service.refuse_with = {"error": "invalid_client_metadata"}
    refused = create(developer)
    token_service.refuse_with = None

    create(developer, submission=submission_of(refused))

    assert Application.objects.count() == 1


def test_client_is_removed_again_when_it_cannot_be_noted(developer, token_service, monkeypatch):
    def fail(**values):
        raise RuntimeError

    before = len(token_service.clients)
    monkeypatch.setattr(Application.objects, "create", fail)

    with pytest.raises(RuntimeError):
        create(developer)

    assert len(token_service.clients) == before


def test_live_record_is_read_from_the_token_service(developer, token_service, application):
    token_service.clients[application.client_id]["token_endpoint_auth_method"] = "private_key_jwt"

    assert b"private_key_jwt" in developer.get(f"/apps/{application.id}/").content


def test_page_goes_on_without_the_token_service(developer, token_service, application):
    token_service.is_down = True

    response = developer.get(f"/apps/{application.id}/")

    assert response.status_code == 200
    assert b"live record is not available" in response.content
    assert application.client_id.encode() in response.content


@pytest.mark.parametrize("page", ["", "edit/", "rotate/", "delete/", "usage/"])
def test_application_of_another_developer_does_not_exist(sign_in, application, page):
    stranger = sign_in("mallory")

    assert stranger.get(f"/apps/{application.id}/{page}").status_code == 404
    if page in {"edit/", "rotate/", "delete/"}:
        assert stranger.post(f"/apps/{application.id}/{page}").status_code == 404
    assert Application.objects.filter(pk=application.pk).exists()


def test_rotation_shows_the_new_secret_once(developer, token_service, application):
    old = secret_of(token_service, application)
    address = f"/apps/{application.id}/rotate/"
    form = {"submission": submission_of(developer.get(address))}

    response = developer.post(address, form)
    again = developer.post(address, form)

    new = secret_of(token_service, application)
    assert new != old
    assert new.encode() in response.content
    assert response["Cache-Control"] == "no-store"
    assert again.status_code == 302


def test_edit_changes_the_record_and_sends_back_no_server_member(
    developer, token_service, application
):
    response = developer.post(f"/apps/{application.id}/edit/", {"name": "Renamed"})

    assert response.status_code == 302
    record = token_service.clients[application.client_id]
    assert record["client_name"] == "Renamed"
    assert record["grant_types"] == ["client_credentials"]
    application.refresh_from_db()
    assert application.name == "Renamed"


def test_renewed_registration_token_is_kept(developer, token_service, application):
    token_service.clients[application.client_id]["registration_access_token"]
    record = token_service.clients[application.client_id]
    answer = token_service._manage

    def renew(request):
        response = answer(request)
        if request.method == "PUT":
            record["registration_access_token"] = "tgra_renewed"
            return type(response)(200, json=record)
        return response

    token_service._manage = renew
    developer.post(f"/apps/{application.id}/edit/", {"name": "Renamed"})

    response = developer.get(f"/apps/{application.id}/")
    assert b"live record is not available" not in response.content


def test_deletion_needs_a_confirmed_post(developer, application):
    response = developer.get(f"/apps/{application.id}/delete/")

    assert b"cannot be undone" in response.content
    assert Application.objects.exists()


def test_deletion_ends_client_and_subscriptions(developer, token_service, application):
    plan = make_plan()
    made = ams_api.subscribe_to_plan(
        subscriber=SubscriberRef(subject="ada"),
        client_id=application.client_id,
        application_name=application.name,
        plan_id=plan.id,
    )

    developer.post(f"/apps/{application.id}/delete/")

    assert application.client_id not in token_service.clients
    assert not Application.objects.exists()
    ended = ams_api.get_subscription(
        subscriber=SubscriberRef(subject="ada"), subscription_id=made.id
    )
    assert ended.status == "cancelled"


def test_deletion_finishes_what_an_earlier_one_began(developer, token_service, application):
    del token_service.clients[application.client_id]

    developer.post(f"/apps/{application.id}/delete/")

    assert not Application.objects.exists()


def test_deletion_changes_nothing_while_the_token_service_is_silent(
    developer, token_service, application
):
    token_service.is_down = True

    response = developer.post(f"/apps/{application.id}/delete/")

    assert response.status_code == 503
    assert Application.objects.exists()


def test_credential_is_never_sent_to_another_origin(developer, token_service, application):
    application.registration_client_uri = "https://evil.example/oauth/register/x"
    application.save()
    before = len(token_service.requests)

    response = developer.get(f"/apps/{application.id}/")

    assert b"another token service" in response.content
    assert len(token_service.requests) == before
