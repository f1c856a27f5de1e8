import logging

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from ims.endpoints.bearer_authentication import MissingToken
from ims.endpoints.endpoint import oauth_endpoint
from wire.oauth_errors import (
    InsufficientScope,
    InvalidClient,
    InvalidGrant,
    InvalidToken,
)

FORM = "application/x-www-form-urlencoded"


def call(view, method="POST", url="/x", **kwargs):
    return view(RequestFactory().generic(method, url, **kwargs))


def answering(result, *methods):
    @oauth_endpoint(*(methods or ("POST",)))
    def view(_request):
        if isinstance(result, Exception):
            raise result
        return result

    return view


def test_error_is_json_that_nobody_keeps():
    response = call(answering(InvalidGrant("code: it was used before.")))

    assert response.status_code == 400
    assert response.content == (
        b'{"error": "invalid_grant", "error_description": "code: it was used before."}'
    )
    assert response["Cache-Control"] == "no-store"
    assert "WWW-Authenticate" not in response


def test_refused_client_is_challenged_for_basic():
    response = call(answering(InvalidClient("Who are you?")))

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Basic realm="Tollgate", charset="UTF-8"'


def test_dead_token_is_challenged_for_a_bearer():
    response = call(answering(InvalidToken('Expired "yesterday"\r\nX: y')))

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == (
        'Bearer realm="Tollgate", error="invalid_token",'
        " error_description=\"Expired 'yesterday'''X: y\""
    )


def test_missing_token_is_challenged_without_an_error():
    response = call(answering(MissingToken("Send one.")))

    assert response["WWW-Authenticate"] == 'Bearer realm="Tollgate"'


def test_missing_scope_is_named():
    response = call(answering(InsufficientScope("More.", scope="manage")))

    assert response.status_code == 403
    assert response["WWW-Authenticate"].endswith('scope="manage"')


def test_other_methods_are_told_which_are_allowed():
    response = call(answering(HttpResponse(), "GET", "POST"), "DELETE")

    assert response.status_code == 405
    assert response["Allow"] == "GET, POST"


def test_response_without_caching_rules_is_not_kept():
    assert call(answering(HttpResponse()))["Cache-Control"] == "no-store"


def test_caching_rules_of_the_view_stand():
    given = HttpResponse(headers={"Cache-Control": "private, max-age=5"})

    assert call(answering(given))["Cache-Control"] == "private, max-age=5"


@pytest.mark.parametrize("body", [b"a=1&a=2", b"a=&a=", b"a=1&b=2&a=1"])
def test_repeated_parameter_is_refused(body):
    response = call(answering(HttpResponse()), data=body, content_type=FORM)

    assert response.status_code == 400
    assert b"a: send the parameter once" in response.content


def test_resource_may_be_repeated():
    body = b"resource=https://a.example&resource=https://b.example"

    assert call(answering(HttpResponse()), data=body, content_type=FORM).status_code == 200


@pytest.mark.parametrize("name", ["token", "client_secret", "access_token", "refresh_token"])
def test_secret_in_the_url_is_refused(name):
    response = call(answering(HttpResponse()), url=f"/x?{name}=hush-hush")

    assert response.status_code == 400
    assert name.encode() in response.content
    assert b"hush-hush" not in response.content


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"a=%00", FORM),
        (b"a%00=1", FORM),
        (b"a=1", FORM + "; charset=utf-16"),
        (b"&".join(b"a%d=1" % n for n in range(2000)), FORM),
        (b"a=" + b"x" * 3_000_000, FORM),
        (b"--b--", "multipart/form-data; boundary=b"),
    ],
    ids=["nul", "nul in name", "charset", "too many", "too large", "multipart"],
)
def test_unreadable_form_is_refused_by_a_clear_error(body, content_type):
    response = call(answering(HttpResponse()), data=body, content_type=content_type)

    assert response.status_code == 400
    assert b"invalid_request" in response.content


def test_log_has_the_detail_and_not_the_description(caplog):
    caplog.set_level(logging.DEBUG)
    call(answering(InvalidGrant("public text", detail="for the log")))

    assert "for the log" in caplog.text
    assert "public text" not in caplog.text
