"""Begin a device authorization (RFC 8628 §3.1, §3.2)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from django.db import IntegrityError, transaction
from django.utils import timezone

from ims import conf, user_codes
from ims.models import Client, DeviceAuthorization
from ims.queries import access
from ims.registration_limits import DEVICE_CODE
from wire import bearer
from wire.oauth_errors import ServerError, UnauthorizedClient

# Two codes of 35 bits meet by chance about never; three times in a row is a fault.
_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class StartedDeviceAuthorization:
    """The only moment at which both codes are known; the rest is in seconds."""

    device_code: str = field(repr=False)
    user_code: str = field(repr=False)
    expires_in: int
    interval: int


def start_device_authorization(
    *, client: Client, scopes: Sequence[str] = (), resources: Sequence[str] = ()
) -> StartedDeviceAuthorization:
    """Return the two codes of a new request for `scopes` at `resources`.

    What it asks for is resolved now and shown to the person later. Raises UnauthorizedClient,
    InvalidScope and InvalidTarget.
    """
    if DEVICE_CODE not in client.grant_types:
        raise UnauthorizedClient(f"This client is not registered for {DEVICE_CODE}.")
    resolved = access.resolve_access(
        client=client, scopes=scopes, resources=resources, for_person=True
    )
    device_code = bearer.mint(bearer.Prefix.DEVICE_CODE)
    request = DeviceAuthorization(
        digest=bearer.digest(device_code),
        client=client,
        scopes=list(resolved.scopes),
        resources=list(resolved.resources),
        interval_seconds=conf.DEVICE_POLL_SECONDS,
        expires_at=timezone.now() + timedelta(seconds=conf.DEVICE_CODE_TTL_SECONDS),
    )
    return StartedDeviceAuthorization(
        device_code=device_code,
        user_code=_store_under_new_user_code(request),
        expires_in=conf.DEVICE_CODE_TTL_SECONDS,
        interval=conf.DEVICE_POLL_SECONDS,
    )


def _store_under_new_user_code(request: DeviceAuthorization) -> str:
    for _ in range(_ATTEMPTS):
        user_code = user_codes.mint_user_code()
        request.user_code_digest = user_codes.digest_user_code(user_code)
        try:
            with transaction.atomic():
                request.save(force_insert=True)
        except IntegrityError:
            continue
        return user_code
    raise ServerError(detail="no free user code was found")
