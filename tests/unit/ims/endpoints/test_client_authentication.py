import base64
from datetime import timedelta

import pytest
from django.test import RequestFactory
from django.utils import timezone

from ims.endpoints.client_authentication import authenticate_client, read_credentials
from ims.models import ClientSecret
from tests.factories.identity import basic, make_client, make_public_client
from wire import bearer
from wire.oauth_errors import InvalidClient, InvalidRequest

pytestmark = pytest.mark.django_db


def request(form=None, header=None):
    headers = {} if header is None else {"Authorization": header}
    return RequestFactory().post("/oauth/token", form or {}, headers=headers)


def test_basic_proves_a_client():
    known = make_client()

    assert authenticate_client(request(header=known.headers["Authorization"])) == known.client


def test_post_proves_a_client():
    known = make_client(token_endpoint_auth_method="client_secret_post")

    assert authenticate_client(request(known.form)) == known.client


def test_client_id_alone_is_a_public_client():
    public = make_public_client()

    assert authenticate_client(request({"client_id": public.client_id})) == public


def test_empty_secret_counts_as_omitted():
    public = make_public_client()
    form = {"client_id": public.client_id, "client_secret": ""}

    assert authenticate_client(request(form)) == public


def test_both_parts_of_basic_are_form_urlencoded():
    known = make_client(client_id="https://app.example/?a=b:c d")
    ClientSecret.objects.create(client=known.client, digest=bearer.digest("s%+: é"))

    header = basic("https://app.example/?a=b:c d", "s%+: é")

    assert authenticate_client(request(header=header)) == known.client


def test_one_statement(django_assert_num_queries):
    known = make_client()

    with django_assert_num_queries(1):
        authenticate_client(request(header=known.headers["Authorization"]))


def test_scheme_is_case_insensitive():
    known = make_client()
    header = known.headers["Authorization"].replace("Basic", "bAsIC")

    assert authenticate_client(request(header=header)) == known.client


def test_two_secrets_both_work_until_one_ends():
    known = make_client()
    second = bearer.mint(bearer.Prefix.CLIENT_SECRET)
    ends = timezone.now() + timedelta(hours=1)
    ClientSecret.objects.create(client=known.client, digest=bearer.digest(second), expires_at=ends)
    header = basic(known.client.client_id, second)
    assert authenticate_client(request(header=header)) == known.client

    ClientSecret.objects.filter(expires_at=ends).update(expires_at=timezone.now())

    with pytest.raises(InvalidClient):
        authenticate_client(request(header=header))
    assert authenticate_client(request(header=known.headers["Authorization"])) == known.client


def test_secret_of_another_client_proves_nothing():
    first, second = make_client(), make_client()

    with pytest.raises(InvalidClient):
        authenticate_client(request(header=basic(first.client.client_id, second.secret)))


def test_confidential_client_without_secret_is_refused():
    known = make_client()

    with pytest.raises(InvalidClient):
        authenticate_client(request({"client_id": known.client.client_id}))


def test_disabled_client_is_refused():
    known = make_client(disabled_at=timezone.now())

    with pytest.raises(InvalidClient):
        authenticate_client(request(header=known.headers["Authorization"]))


def test_unknown_client_and_wrong_secret_are_told_alike():
    known = make_client()
    told = []
    for client_id in (known.client.client_id, "nobody"):
        with pytest.raises(InvalidClient) as caught:
            authenticate_client(request(header=basic(client_id, "wrong")))
        told.append((caught.value.code, caught.value.status, caught.value.description))

    assert told[0] == told[1]


def test_method_other_than_the_registered_one_is_named():
    known = make_client(token_endpoint_auth_method="client_secret_post")

    with pytest.raises(InvalidClient, match="client_secret_post, not for client_secret_basic"):
        authenticate_client(request(header=known.headers["Authorization"]))


def test_method_is_not_named_to_a_stranger():
    known = make_client(token_endpoint_auth_method="client_secret_post")

    with pytest.raises(InvalidClient) as caught:
        authenticate_client(request(header=basic(known.client.client_id, "wrong")))
    assert "client_secret_post" not in caught.value.description


def test_two_methods_at_once_are_refused():
    known = make_client()

    with pytest.raises(InvalidRequest):
        authenticate_client(request(known.form, known.headers["Authorization"]))


def test_client_id_beside_basic_must_agree():
    known = make_client()
    header = known.headers["Authorization"]
    assert authenticate_client(request({"client_id": known.client.client_id}, header))

    with pytest.raises(InvalidRequest, match="client_id"):
        authenticate_client(request({"client_id": "other"}, header))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic YQ",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b":secret").decode(),
        "Basic " + base64.b64encode(b"client:").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
        "Basic " + base64.b64encode(b"%ff:x").decode(),
        "Basic " + base64.b64encode(b"a%00b:x").decode(),
        "Basic " + base64.b64encode(b"a" * 300 + b":x").decode(),
        "Basic " + base64.b64encode(b"a:" + b"x" * 600).decode(),
        "Bearer abc",
        "Digest username=a",
        "Basic é",
    ],
)
def test_malformed_credentials_are_refused(header):
    with pytest.raises(InvalidClient):
        authenticate_client(request(header=header))


def test_client_assertion_is_named_as_unsupported():
    with pytest.raises(InvalidClient, match="client_assertion"):
        authenticate_client(request({"client_id": "a", "client_assertion": "x.y.z"}))


def test_credentials_do_not_show_the_secret():
    presented = read_credentials(request(header=basic("a", "the secret")))

    assert bearer.digest("the secret") == presented.secret_digest
    assert repr(presented.secret_digest) not in repr(presented)
