import pytest

from ims.errors import ForbiddenTarget, TargetUnreachable
from ims.outbound.targets import parse_target, resolve, resolve_name


def test_https_url_is_taken_apart():
    target = parse_target("https://Keys.Example/a/jwks.json?v=1")

    assert target.host == "keys.example"
    assert target.port == 443
    assert target.authority == "keys.example"
    assert target.url == "https://keys.example/a/jwks.json?v=1"


def test_other_port_and_ipv6_are_spelled_right():
    target = parse_target("https://[2606:4700::1111]:8443")

    assert target.authority == "[2606:4700::1111]:8443"
    assert target.url == "https://[2606:4700::1111]:8443/"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://keys.example/",
        "ftp://keys.example/",
        "file:///etc/passwd",
        "https:keys.example",
        "https:///path",
        "https://user@keys.example/",
        "https://user:secret@keys.example/",
        "https://keys.example@127.0.0.1/",
        "https://keys.example/#part",
        "https://keys.example/#",
        "https://keys.example:22/",
        "https://keys.example:80/",
        "https://keys.example:0/",
        "https://keys.example:70000/",
        "https://keys.example:x/",
        "https://keys.example\\@evil.example/",
        "https://keys.example/ space",
        "https://keys.example/\tpath",
        "https://keys.example/\r\nHost: evil",
        "https://kéys.example/",
        "https://\u212aeys.example/",
        "https://keys..example/",
        "https://keys.example./",
        "https://-keys.example/",
        "https://[fe80::1%25eth0]/",
        "https://[::1/",
        "https://[v1.x]/",
        "https://%6bkeys.example/",
        "https://keys.example/" + "a" * 2048,
    ],
)
def test_other_urls_are_refused(url):
    with pytest.raises(ForbiddenTarget):
        parse_target(url)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "169.254.169.254", "[::ffff:8.8.8.8]", "10.0.0.1", "0.0.0.0"]
)
def test_address_literals_are_checked_too(host):
    with pytest.raises(ForbiddenTarget):
        resolve(parse_target(f"https://{host}/"), resolve_name)


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "017700000001", "localhost"])
def test_odd_spellings_of_loopback_are_refused_when_they_resolve(host):
    with pytest.raises((ForbiddenTarget, TargetUnreachable)):
        resolve(parse_target(f"https://{host}/"), resolve_name)


def test_one_private_address_spoils_a_name():
    with pytest.raises(ForbiddenTarget):
        resolve(parse_target("https://keys.example/"), lambda *_: ["8.8.8.8", "127.0.0.1"])


def test_unreadable_address_is_refused():
    with pytest.raises(ForbiddenTarget):
        resolve(parse_target("https://keys.example/"), lambda *_: ["not an address"])


def test_name_without_addresses_is_unreachable():
    with pytest.raises(TargetUnreachable) as caught:
        resolve(parse_target("https://keys.example/"), lambda *_: [])

    assert caught.value.retryable


def test_development_may_ask_loopback_over_http(private_allowed):
    target = parse_target("http://127.0.0.1:80/")

    assert [str(address) for address in resolve(target, resolve_name)] == ["127.0.0.1"]


@pytest.mark.parametrize("host", ["10.0.0.1", "8.8.8.8"])
def test_http_leaves_loopback_not_even_in_development(private_allowed, host):
    with pytest.raises(ForbiddenTarget):
        resolve(parse_target(f"http://{host}/"), resolve_name)


def test_link_local_is_refused_even_in_development(private_allowed):
    with pytest.raises(ForbiddenTarget):
        resolve(parse_target("https://169.254.169.254/latest/meta-data/"), resolve_name)


def test_private_network_is_open_over_https_in_development(private_allowed):
    target = parse_target("https://keys.internal/")

    assert [str(a) for a in resolve(target, lambda *_: ["10.0.0.7"])] == ["10.0.0.7"]
