import pytest

from ims import redirect_uris

REGISTERED = ["https://app.example/cb", "http://127.0.0.1:3000/cb", "com.example.app:/cb"]


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example/cb",
        "com.example.app:/cb",
        "http://127.0.0.1:3000/cb",
        "http://127.0.0.1:50123/cb",
        "http://127.0.0.1/cb",
    ],
)
def test_registered_uri_and_any_loopback_port_match(uri):
    assert redirect_uris.is_registered(uri, REGISTERED)


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example/cb/",
        "https://app.example/cb?x=1",
        "https://app.example/cb#f",
        "https://app.example/cb;x",
        "https://app.example/c%62",
        "https://app.example/./cb",
        "https://APP.example/cb",
        "HTTPS://app.example/cb",
        "https://app.example:443/cb",
        "http://app.example/cb",
        "https://app.example.evil.example/cb",
        "https://evil@app.example/cb",
        "https://app.example\\@evil.example/cb",
        "https://app.example/c\tb",
        "https://app.example/cb\n",
        " https://app.example/cb",
        "http://127.0.0.1:3000/other",
        "http://127.0.0.1:99999/cb",
        "http://127.0.0.1:3000@evil.example/cb",
        "http://127.0.0.1.evil.example:3000/cb",
        "http://localhost:3000/cb",
        "http://[::1]:3000/cb",
        "https://127.0.0.1:3000/cb",
        "",
    ],
)
def test_any_other_spelling_is_refused(uri):
    assert not redirect_uris.is_registered(uri, REGISTERED)


@pytest.mark.parametrize(
    "uri",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "https://user@app.example/cb",
        "https://app.example/cb#f",
        "https://a.example;script-src/cb",
        "https://*/cb",
        "/cb",
        "https://[::1/cb",
    ],
)
def test_unsafe_uri_is_refused_even_where_it_is_registered(uri):
    assert not redirect_uris.is_registered(uri, [uri])


def test_ipv6_loopback_port_is_free():
    assert redirect_uris.is_registered("http://[::1]:9/cb", ["http://[::1]/cb"])


def test_parameters_join_the_registered_query():
    uri = redirect_uris.with_parameters(
        "https://app.example/cb?tab=1", {"code": "a&b", "state": ""}
    )

    assert uri == "https://app.example/cb?tab=1&code=a%26b"


@pytest.mark.parametrize(
    ("uri", "source"),
    [
        ("https://app.example:8443/cb?x", "https://app.example:8443"),
        ("com.example.app:/cb", "com.example.app:"),
        ("http://[::1]:9/cb", "http:"),
    ],
)
def test_csp_source_covers_the_origin_only(uri, source):
    assert redirect_uris.as_csp_source(uri) == source


def test_people_see_the_whole_loopback_address():
    assert redirect_uris.as_destination("http://[::1]:9/cb") == "http://[::1]:9"
