import datetime as dt
import socket
import ssl
import stat
import threading

import pytest
from cryptography import x509

from config import local_ca


@pytest.fixture
def folder(tmp_path):
    local_ca.ensure_gateway_certificate(tmp_path)
    return tmp_path


def load(path):
    return x509.load_pem_x509_certificate(path.read_bytes())


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
def test_client_that_trusts_the_authority_accepts_the_gateway(folder, name):
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(folder / "gateway.pem", folder / "gateway-key.pem")
    client_context = ssl.create_default_context(cafile=folder / "ca.pem")
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    server_side, client_side = socket.socketpair()

    def serve():
        with server_context.wrap_socket(server_side, server_side=True) as connection:
            connection.sendall(b"hello")

    server = threading.Thread(target=serve)
    server.start()
    with client_context.wrap_socket(client_side, server_hostname=name) as connection:
        assert connection.recv(5) == b"hello"
    server.join()


def test_keys_are_private(folder):
    for name in ("gateway-key.pem", "ca-key.pem"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600


def test_good_certificate_is_kept(folder):
    before = (folder / "gateway.pem").read_bytes()

    assert local_ca.ensure_gateway_certificate(folder) is False
    assert (folder / "gateway.pem").read_bytes() == before


def test_certificate_that_ends_soon_is_renewed_under_the_same_authority(folder):
    authority = (folder / "ca.pem").read_bytes()
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=380)

    assert local_ca.ensure_gateway_certificate(folder, now=later) is True

    assert (folder / "ca.pem").read_bytes() == authority
    assert load(folder / "gateway.pem").not_valid_after_utc > later + dt.timedelta(days=365)


def test_authority_that_ends_soon_is_renewed(folder):
    authority = (folder / "ca.pem").read_bytes()

    local_ca.ensure_gateway_certificate(
        folder, now=dt.datetime.now(dt.UTC) + dt.timedelta(days=3640)
    )

    assert (folder / "ca.pem").read_bytes() != authority


@pytest.mark.parametrize("name", ["gateway-key.pem", "gateway.pem", "ca-key.pem", "ca.pem"])
def test_damaged_file_is_mended(folder, name):
    (folder / name).write_text("nonsense")

    assert local_ca.ensure_gateway_certificate(folder) is True

    load(folder / "gateway.pem").verify_directly_issued_by(load(folder / "ca.pem"))


def test_gateway_certificate_cannot_sign_others(folder):
    constraints = load(folder / "gateway.pem").extensions.get_extension_for_class(
        x509.BasicConstraints
    )

    assert constraints.value.ca is False
