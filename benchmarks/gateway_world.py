"""What stands around the gateways of a benchmark: tokens, a certificate, a canned control plane."""

import datetime as dt
import json
import time
from pathlib import Path

import jwt as pyjwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from wire import bearer
from wire.gateway_snapshot import (
    API,
    GatewaySnapshot,
    Operation,
    Plan,
    Quota,
    RateLimit,
    Subscription,
    Upstream,
)

BODY = json.dumps({"id": "42", "status": "shipped", "lines": [{"sku": "A-1", "quantity": 2}] * 4})
TOKENS = 10_000
FRESH = 200_000
JUNK = 50_000


def write_tokens(work: Path) -> None:
    """Write good tokens, and junk: our prefix, a checksum that is wrong."""
    prefix = bearer.Prefix.ACCESS_TOKEN
    good = [bearer.mint(prefix) for _ in range(TOKENS + FRESH)]
    (work / "tokens").write_text("\n".join(good))
    junk = [token[:-1] + ("0" if token[-1] != "0" else "1") for token in good[-JUNK:]]
    (work / "junk").write_text("\n".join(junk))


def canned_answers(origin_port: int) -> dict[str, str]:
    """Return what the canned token service answers; the JWT is real, its key is thrown away."""
    issuer = f"http://127.0.0.1:{origin_port}"
    now = int(time.time())
    claims = {
        "iss": issuer,
        "sub": "bench-client",
        "aud": f"{issuer}/orders/v1",
        "client_id": "bench-client",
        "scope": "orders:read orders:write",
        "iat": now,
        "exp": now + 7200,
        "jti": "0190a0b0-0000-7000-8000-000000000000",
    }
    key = ec.generate_private_key(ec.SECP256R1())
    discovery = {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/oauth/token",
        "introspection_endpoint": f"{issuer}/oauth/introspect",
        "jwks_uri": f"{issuer}/oauth/jwks",
    }
    return {
        "body": BODY,
        "discovery": json.dumps(discovery),
        "control_token": bearer.mint(bearer.Prefix.ACCESS_TOKEN),
        "jwt": pyjwt.encode(
            claims, key, algorithm="ES256", headers={"typ": "at+jwt", "kid": "bench"}
        ),
    }


def snapshot(origin_port: int) -> GatewaySnapshot:
    """One API with limits that are enforced but never reached."""
    origin = f"http://127.0.0.1:{origin_port}"
    operations = (
        Operation("list_orders", "GET", "/orders", ("orders:read",)),
        Operation("get_order", "GET", "/orders/{order_id}", ("orders:read",)),
        Operation("create_order", "POST", "/orders/{size}", ("orders:write",)),
    )
    return GatewaySnapshot(
        version=1,
        apis=(
            API("api", "orders", "Orders", "/orders/v1", f"{origin}/orders/v1", "up", operations),
        ),
        upstreams=(Upstream("up", origin, allow_internal=True),),
        plans=(
            Plan(
                "plan", "Bench", ("api",), (RateLimit(10_000_000, 1, 1_000_000),), (Quota(10**12),)
            ),
        ),
        subscriptions=(Subscription("subscription", "bench-client", "plan"),),
    )


def write_certificate(work: Path) -> None:
    """Write a certificate and its key for `localhost`, good for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (work / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (work / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
