"""Each malformed or unwelcome request gets its own clear error, over a real TLS connection."""

import json

import pytest

from tests.e2e import raw_http
from wire import bearer

pytestmark = pytest.mark.live

PATH = b"/orders/v1/orders/42"


@pytest.fixture(scope="module")
def send(stack):
    def _send(payload: bytes) -> raw_http.Answer:
        return raw_http.send(stack.gateway_url, payload, ca_file=stack.ca_file)

    return _send


@pytest.fixture(scope="module")
def token(stack):
    return stack.token().encode()


def request(
    path: bytes = PATH,
    *,
    method: bytes = b"GET",
    headers: tuple[bytes, ...] = (),
    body: bytes = b"",
) -> bytes:
    lines = [method + b" " + path + b" HTTP/1.1", b"Host: localhost", *headers, b"", body]
    return b"\r\n".join(lines)


def problem(answer: raw_http.Answer) -> dict:
    assert answer.headers["content-type"] == "application/problem+json"
    document = json.loads(answer.body)
    assert document["status"] == answer.status
    assert document["title"]
    return document


def test_no_token_is_401_without_an_error_code(send):
    answer = send(request())

    assert answer.status == 401
    problem(answer)
    assert answer.headers["www-authenticate"].startswith("Bearer realm=")
    assert "error=" not in answer.headers["www-authenticate"]


@pytest.mark.parametrize(
    "value",
    [
        b"Bearer",
        b"Bearer ",
        b"Bearer a b",
        b"Bearer tok&token_type_hint=x",
        b"Basic Bearer tgat_x",
        b"Bearer tgat_junk",
        b"Bearer \xff\xfe",
    ],
)
def test_malformed_bearer_is_401_or_400(send, value):
    answer = send(request(headers=(b"Authorization: " + value,)))

    assert answer.status in {400, 401}
    problem(answer)


def test_well_formed_but_unknown_token_is_401_invalid_token(send):
    unknown = bearer.mint(bearer.Prefix.ACCESS_TOKEN).encode()

    answer = send(request(headers=(b"Authorization: Bearer " + unknown,)))

    assert answer.status == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_two_authorization_headers_are_400(send, token):
    header = b"Authorization: Bearer " + token

    answer = send(request(headers=(header, header)))

    assert answer.status == 400
    problem(answer)


def test_token_in_the_query_is_refused(send, token):
    answer = send(request(PATH + b"?access_token=" + token))

    assert answer.status in {400, 401}
    problem(answer)
    assert token not in answer.body


@pytest.mark.parametrize(
    "path",
    [
        b"/orders/v1/../v1/orders/42",
        b"/orders/v1/%2e%2e/orders/42",
        b"/orders/v1/./orders",
        b"/orders/v1/orders%2f42",
        b"/orders/v1/orders/a%5cb",
        b"/orders/v1/orders/a\\b",
        b"/orders/v1/orders/a%00b",
    ],
)
def test_path_that_two_readers_could_read_differently_is_400(send, token, path):
    answer = send(request(path, headers=(b"Authorization: Bearer " + token,)))

    assert answer.status == 400


def test_unknown_route_is_404(send, token):
    answer = send(request(b"/nothing/here", headers=(b"Authorization: Bearer " + token,)))

    assert answer.status == 404
    problem(answer)


def test_known_path_with_another_method_is_405_with_allow(send, token):
    answer = send(
        request(method=b"PATCH", headers=(b"Authorization: Bearer " + token, b"Content-Length: 0"))
    )

    assert answer.status == 405
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize("order", [1, -1])
def test_content_length_with_transfer_encoding_is_400_and_never_reaches_the_upstream(
    stack, token, order
):
    framing = (b"Content-Length: 4", b"Transfer-Encoding: chunked")[::order]
    bearer_field = b"Authorization: Bearer " + token
    smuggled = request(PATH, headers=(bearer_field,))

    received = raw_http.send_until_closed(
        stack.gateway_url,
        request(
            b"/orders/v1/echo",
            method=b"POST",
            headers=(bearer_field, *framing),
            body=b"4\r\nping\r\n0\r\n\r\n" + smuggled,
        ),
        ca_file=stack.ca_file,
    )

    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert b"connection: close" in head.lower()
    document = json.loads(body)  # one document and nothing else: the upstream has answered nothing
    assert document["type"] == "/problems/conflicting-framing"
    assert document["title"] == "Content-Length and Transfer-Encoding exclude each other"
    assert b"ping" not in body


def test_too_large_headers_are_refused(send, token):
    answer = send(
        request(headers=(b"Authorization: Bearer " + token, b"X-Large: " + b"a" * 100_000))
    )

    assert answer.status in {0, 400, 431}


def test_too_large_a_body_is_413_before_it_is_sent(send, token):
    headers = (b"Authorization: Bearer " + token, b"Content-Length: 99999999999")

    answer = send(request(b"/orders/v1/echo", method=b"POST", headers=headers))

    assert answer.status == 413
    problem(answer)


def test_unknown_host_is_refused(send, token):
    payload = b"\r\n".join(
        [b"GET " + PATH + b" HTTP/1.1", b"Host: evil.example", b"Authorization: Bearer " + token]
    )

    answer = send(payload + b"\r\n\r\n")

    assert answer.status in {400, 421}


def test_trace_is_refused(send, token):
    answer = send(request(method=b"TRACE", headers=(b"Authorization: Bearer " + token,)))

    assert answer.status in {405, 501}


def test_options_is_never_forwarded_without_a_token(send):
    answer = send(request(method=b"OPTIONS"))

    assert answer.status == 204
    assert b"received" not in answer.body


def test_a_token_without_the_scope_is_403_naming_it(stack, send):
    read_only = stack.token(scope="orders:read").encode()

    answer = send(
        request(
            b"/orders/v1/orders",
            method=b"POST",
            headers=(b"Authorization: Bearer " + read_only, b"Content-Length: 2"),
            body=b"{}",
        )
    )

    assert answer.status == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert "orders:write" in answer.headers["www-authenticate"]
