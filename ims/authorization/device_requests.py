"""The device request that a person has opened by its code, until they answer it.

It waits in the session: another browser, or another person in this one, knows nothing of it.
"""

from typing import Final

from django.contrib.sessions.backends.base import SessionBase

from ims.models import DeviceAuthorization, User

_SESSION_KEY: Final = "ims_device_request"


def remember(session: SessionBase, request: DeviceAuthorization, *, user: User) -> None:
    """Keep `request`, found by `user`, in place of any found before."""
    session[_SESSION_KEY] = {"digest": bytes(request.digest).hex(), "user": user.pk}


def find(session: SessionBase, *, user: User) -> bytes | None:
    """Return the digest of the device code whose request `user` has opened, or None."""
    kept = session.get(_SESSION_KEY)
    if not isinstance(kept, dict) or kept["user"] != user.pk:
        return None
    return bytes.fromhex(kept["digest"])


def forget(session: SessionBase) -> None:
    """Drop the request: it was answered, or is no more."""
    session.pop(_SESSION_KEY, None)
