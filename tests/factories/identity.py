"""Clients, tokens and protected resources for tests, with the credentials that open them."""

import base64
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from urllib.parse import quote_plus

from django.utils import timezone

from ims.models import (
    AccessToken,
    Client,
    ClientSecret,
    Grant,
    ProtectedResource,
    RefreshToken,
    ResourceScope,
    User,
)
from wire import bearer

ORDERS = "https://gateway.example/orders/v1"
INVOICES = "https://gateway.example/invoices/v1"
_numbers = count(1)


@dataclass(frozen=True)
class KnownClient:
    client: Client
    secret: str

    @property
    def headers(self):
        return {"Authorization": basic(self.client.client_id, self.secret)}

    @property
    def form(self):
        return {"client_id": self.client.client_id, "client_secret": self.secret}


def basic(client_id, secret):
    joined = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return "Basic " + base64.b64encode(joined.encode()).decode()


def bearer_headers(token):
    return {"Authorization": f"Bearer {token}"}


def make_client(**changes):
    members = {
        "client_id": f"client-{next(_numbers)}",
        "client_type": Client.CLIENT_CONFIDENTIAL,
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ["client_credentials"],
    }
    client = Client.objects.create(**(members | changes))
    secret = bearer.mint(bearer.Prefix.CLIENT_SECRET)
    if client.token_endpoint_auth_method != "none":
        ClientSecret.objects.create(client=client, digest=bearer.digest(secret))
    return KnownClient(client, secret)


def make_public_client(**changes):
    return make_client(
        client_type=Client.CLIENT_PUBLIC, token_endpoint_auth_method="none", **changes
    ).client


def make_user(**changes):
    number = next(_numbers)
    return User.objects.create(
        **({"username": f"ada{number}", "email": f"ada{number}@example.com"} | changes)
    )


def make_resource(resource=ORDERS, *, readers=(), scopes=("orders:read",), claims=()):
    record = ProtectedResource.objects.create(resource=resource, name="API", claims=list(claims))
    record.introspection_clients.set(readers)
    for name in scopes:
        ResourceScope.objects.create(protected_resource=record, name=name)
    return record


def make_grant(client, user, **changes):
    return Grant.objects.create(
        **({"client": client, "user": user, "authenticated_at": timezone.now()} | changes)
    )


def make_access_token(client, **changes):
    """Return the token and its record; it lives for 900 seconds."""
    token = bearer.mint(bearer.Prefix.ACCESS_TOKEN)
    now = timezone.now()
    members = {
        "digest": bearer.digest(token),
        "client": client,
        "scopes": ["orders:read"],
        "resources": [ORDERS],
        "issued_at": now,
        "expires_at": now + timedelta(seconds=900),
    }
    return token, AccessToken.objects.create(**(members | changes))


def make_refresh_token(grant, **changes):
    token = bearer.mint(bearer.Prefix.REFRESH_TOKEN)
    members = {
        "digest": bearer.digest(token),
        "grant": grant,
        "client": grant.client,
        "expires_at": timezone.now() + timedelta(days=1),
    }
    return token, RefreshToken.objects.create(**(members | changes))
