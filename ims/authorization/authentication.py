"""OpenID Connect Core §2: who is signed in, since when, and how that was shown."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from allauth.account.authentication import get_authentication_records
from django.http import HttpRequest

from ims.models import User

# RFC 8176 §2, by allauth's name of the method. A password reset proves the mailbox and ends in a
# new password.
_AMR: Final = {"password": "pwd", "password_reset": "pwd", "mfa": "otp"}
# OpenID Connect Core §2 leaves the values to us: the number of factors that were shown.
ACR_ONE_FACTOR: Final = "1"
ACR_TWO_FACTORS: Final = "2"


@dataclass(frozen=True, slots=True)
class Authentication:
    """An authentication event: `at` is when the person last proved who they are."""

    user: User
    at: datetime
    amr: tuple[str, ...]
    acr: str


def find_authentication(request: HttpRequest) -> Authentication | None:
    """Return the event behind the present session, or None when nobody is signed in."""
    user = request.user
    if not isinstance(user, User) or not user.is_active:
        return None
    records = get_authentication_records(request, user)
    methods = {_AMR[record["method"]] for record in records if record["method"] in _AMR}
    if records:
        at = datetime.fromtimestamp(max(record["at"] for record in records), tz=UTC)
    else:
        # A session that allauth did not open: the admin's own login page, for one.
        at = user.last_login or user.date_joined
    return Authentication(
        user=user,
        at=at,
        amr=tuple(sorted(methods)),
        acr=ACR_TWO_FACTORS if {"pwd", "otp"} <= methods else ACR_ONE_FACTOR,
    )
