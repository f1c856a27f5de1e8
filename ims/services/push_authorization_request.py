"""Keep an authorization request until the browser comes with its name (RFC 9126 §2.2)."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.utils import timezone

from ims import conf, request_uris
from ims.errors import RequestTooLarge
from ims.models import Client, PushedAuthorizationRequest

_LARGEST_CHARACTERS: Final = 16_384
_ENTROPY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class PushedRequest:
    """The only moment at which the name is known; `expires_in` is in seconds."""

    request_uri: str
    expires_in: int


def push_authorization_request(
    *, client: Client, parameters: Mapping[str, tuple[str, ...]]
) -> PushedRequest:
    """Return the name of the kept request; one INSERT. The caller has checked it.

    The name is random, and stored as a digest: whoever reads the table cannot start the request.
    Raises RequestTooLarge.
    """
    size = sum(len(name) + sum(map(len, values)) for name, values in parameters.items())
    if size > _LARGEST_CHARACTERS:
        raise RequestTooLarge(f"A pushed request has at most {_LARGEST_CHARACTERS} characters.")
    request_uri = f"{request_uris.PREFIX}{secrets.token_urlsafe(_ENTROPY_BYTES)}"
    ttl_seconds = conf.PUSHED_REQUEST_TTL_SECONDS
    PushedAuthorizationRequest.objects.create(
        digest=request_uris.digest(request_uri),
        client=client,
        parameters={name: list(values) for name, values in parameters.items()},
        expires_at=timezone.now() + timedelta(seconds=ttl_seconds),
    )
    return PushedRequest(request_uri, ttl_seconds)
