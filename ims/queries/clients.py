"""RFC 7591 and RFC 7592: the record of a registered client as the client reads it."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Q
from django.utils import timezone

from ims import conf
from ims.issued_secret import IssuedSecret
from ims.models import Client, InitialAccessToken
from ims.queries.signing_algorithms import get_id_token_algorithm
from wire import bearer


def find_initial_access_token(*, token: str) -> InitialAccessToken | None:
    """Return the initial access token that may register a client now, or None."""
    usable = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return (
        InitialAccessToken.objects.select_related("policy")
        .filter(usable, digest=bearer.digest(token))
        .exclude(uses_left=0)
        .first()
    )


def find_registered_client(*, client_id: str, token: str) -> Client | None:
    """Return the enabled client whose registration access token is `token`, or None."""
    clients = Client.objects.select_related("registered_with", "policy").filter(
        client_id=client_id,
        registration_access_token_digest=bearer.digest(token),
        disabled_at=None,
    )
    client: Client | None = clients.first()
    return client


def get_client_information(
    *, client: Client, client_secret: IssuedSecret | None, registration_access_token: str
) -> Mapping[str, Any]:
    """Return the members of RFC 7591 §3.2.1; runs no statement.

    The credentials are given because only their digests are stored. Without `client_secret` (a
    public client, or a read of a record whose secret is long gone) its members are left out.
    """
    information: dict[str, Any] = {
        "client_id": client.client_id,
        "client_id_issued_at": int(client.created.timestamp()),
        "registration_access_token": registration_access_token,
        "registration_client_uri": f"{conf.issuer()}/oauth/register/{client.client_id}",
        "token_endpoint_auth_method": client.token_endpoint_auth_method,
        "grant_types": client.grant_types,
        "response_types": client.response_types,
    }
    if "code" in client.response_types:
        # OpenID Connect Registration §2: left out, it would mean RS256.
        information["id_token_signed_response_alg"] = get_id_token_algorithm(client)
    if client_secret is not None:
        information |= describe_secret(client_secret)
    optional = {
        "client_name": client.name,
        "redirect_uris": client.redirect_uris.split(),
        "post_logout_redirect_uris": client.post_logout_redirect_uris.split(),
        "scope": " ".join(client.scopes),
    }
    present = {name: value for name, value in optional.items() if value}
    return {**client.metadata, **information, **present}


def describe_secret(issued: IssuedSecret) -> dict[str, Any]:
    """RFC 7591 §3.2.1: with a secret its end is REQUIRED, and 0 says that there is none."""
    end = int(issued.expires_at.timestamp()) if issued.expires_at else 0
    return {"client_secret": issued.secret, "client_secret_expires_at": end}
