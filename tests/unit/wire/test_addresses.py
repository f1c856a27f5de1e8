import pytest

from wire.addresses import is_private, is_public, may_be_upstream, parse_address


@pytest.mark.parametrize("text", ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "2a00:1450::1"])
def test_public_address_may_be_asked(text):
    assert is_public(parse_address(text))


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.170",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b:1::7f00:1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ],
)
def test_any_other_address_is_refused(text):
    assert not is_public(parse_address(text))


@pytest.mark.parametrize("text", ["127.0.0.1", "::1", "10.0.0.1", "192.168.0.1", "fd00::1"])
def test_private_networks_are_known(text):
    assert is_private(parse_address(text))


@pytest.mark.parametrize(
    "text", ["169.254.169.254", "fe80::1", "::ffff:127.0.0.1", "0.0.0.0", "8.8.8.8", "224.0.0.1"]
)
def test_link_local_is_not_a_private_network(text):
    assert not is_private(parse_address(text))


@pytest.mark.parametrize("text", ["8.8.8.8", "2606:4700::1111"])
def test_upstream_is_public_by_default(text):
    assert may_be_upstream(parse_address(text), allow_internal=False)


@pytest.mark.parametrize(
    "text", ["127.0.0.1", "::1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "fd00::1"]
)
def test_upstream_is_internal_only_where_that_is_allowed(text):
    assert not may_be_upstream(parse_address(text), allow_internal=False)
    assert may_be_upstream(parse_address(text), allow_internal=True)


@pytest.mark.parametrize(
    "text",
    [
        "169.254.169.254",
        "fe80::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
    ],
)
def test_metadata_and_disguised_addresses_are_never_an_upstream(text):
    assert not may_be_upstream(parse_address(text), allow_internal=True)
