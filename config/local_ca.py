"""A certificate authority of this installation alone, and the gateway's certificate from it.

For a first run on one machine. A public gateway brings its own certificate
(TOLLGATE_GATEWAY_CERT and TOLLGATE_GATEWAY_KEY).
"""

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from config.private_files import write_private

_AUTHORITY_DAYS: Final = 3650
# Longer ones are refused by some clients, also from a private authority.
_CERTIFICATE_DAYS: Final = 397
_RENEW_BEFORE_DAYS: Final = 30


@dataclass(frozen=True)
class _Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def ensure_gateway_certificate(folder: Path, *, now: dt.datetime | None = None) -> bool:
    """Make `ca.pem`, `gateway.pem` and `gateway-key.pem` where missing; True when any is new.

    ECDSA P-256, for localhost, 127.0.0.1 and ::1. Whatever ends within 30 days is renewed;
    the authority's key is kept in `ca-key.pem`, as private as the gateway's own (0600).
    """
    moment = now or dt.datetime.now(dt.UTC)
    authority = _load_authority(folder, moment)
    if authority is not None and _is_good(folder, authority, moment):
        return False
    if authority is None:
        authority = _make_authority(moment)
        _write_key(folder / "ca-key.pem", authority.key)
        write_private(folder / "ca.pem", _pem(authority.certificate))
        (folder / "ca.pem").chmod(0o644)  # what every client must be able to read
    key = ec.generate_private_key(ec.SECP256R1())
    _write_key(folder / "gateway-key.pem", key)
    write_private(folder / "gateway.pem", _pem(_issue(authority, key.public_key(), moment)))
    return True


def _load_authority(folder: Path, now: dt.datetime) -> _Authority | None:
    try:
        certificate = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
        key = serialization.load_pem_private_key((folder / "ca-key.pem").read_bytes(), None)
    except (OSError, ValueError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or _ends_soon(certificate, now):
        return None
    return _Authority(certificate, key) if _belong(certificate, key) else None


def _is_good(folder: Path, authority: _Authority, now: dt.datetime) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate((folder / "gateway.pem").read_bytes())
        key = serialization.load_pem_private_key((folder / "gateway-key.pem").read_bytes(), None)
        certificate.verify_directly_issued_by(authority.certificate)
    except Exception:  # noqa: BLE001 - any unusable file is replaced
        return False
    return _belong(certificate, key) and not _ends_soon(certificate, now)


def _belong(certificate: x509.Certificate, key: object) -> bool:
    return (
        isinstance(key, ec.EllipticCurvePrivateKey) and certificate.public_key() == key.public_key()
    )


def _ends_soon(certificate: x509.Certificate, now: dt.datetime) -> bool:
    return certificate.not_valid_after_utc < now + dt.timedelta(days=_RENEW_BEFORE_DAYS)


def _make_authority(now: dt.datetime) -> _Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Tollgate local authority")
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        _builder(name, name, key.public_key(), now, _AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    return _Authority(certificate, key)


def _issue(
    authority: _Authority, public_key: ec.EllipticCurvePublicKey, now: dt.datetime
) -> x509.Certificate:
    names = x509.SubjectAlternativeName(
        [
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
            x509.IPAddress(ipaddress.ip_address("::1")),
        ]
    )
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    serves = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    issuer = authority.certificate.subject
    return (
        _builder(issuer, _name("Tollgate gateway"), public_key, now, _CERTIFICATE_DAYS)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(serves, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(issuer_key, critical=False)
        .sign(authority.key, hashes.SHA256())
    )


def _builder(
    issuer: x509.Name,
    subject: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    now: dt.datetime,
    days: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        # Clocks differ: a certificate made this second must work on the neighbour's machine.
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=days))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    encoded = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_private(path, encoded)
