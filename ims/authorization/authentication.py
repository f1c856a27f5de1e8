"""OpenID Connect Core §2: who is signed in, since when, and how that was shown."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from allauth.account.authentication import get_authentication_records
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.http import HttpRequest

from ims.models import User

# RFC 8176 §2, by allauth's name of the method, or of the second factor's type. A password reset
# proves the mailbox and ends in a new password; a recovery code works once, like any other code.
_AMR: Final = {
    "password": "pwd",
    "password_reset": "pwd",
    "totp": "otp",
    "recovery_codes": "otp",
}
# WebAuthn §6.1.3: a credential that may be backed up is copied between devices, so software holds
# its key. Each use shows that somebody was there (`user`).
_DEVICE_BOUND: Final = ("hwk", "user")
_SYNCED: Final = ("swk", "user")
_BACKUP_ELIGIBLE: Final = 0x08
_POSSESSIONS: Final = {"otp", "hwk", "swk"}
# OpenID Connect Core §2 leaves the values to us: the number of factors that were shown.
ACR_ONE_FACTOR: Final = "1"
ACR_TWO_FACTORS: Final = "2"
SUPPORTED_ACRS: Final = (ACR_ONE_FACTOR, ACR_TWO_FACTORS)


@dataclass(frozen=True, slots=True)
class Authentication:
    """An authentication event: `at` is when the person last proved who they are."""

    user: User
    at: datetime
    amr: tuple[str, ...]
    acr: str

    def tell_acr(self, wanted: Collection[str]) -> str:
        """Return the `acr` to be told, one of `wanted` where that is true: two factors hold one."""
        if wanted and self.acr not in wanted and self.meets(wanted):
            return ACR_ONE_FACTOR
        return self.acr

    def meets(self, wanted: Collection[str]) -> bool:
        """Whether one of `wanted` was reached."""
        return self.acr in wanted or ACR_ONE_FACTOR in wanted


def may_show_second_factor(user: User) -> bool:
    """Whether the person has a second factor that could be asked for; runs a statement."""
    return bool(is_mfa_enabled(user, [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]))


def get_second_factor_page(user: User) -> str:
    """Return the name of allauth's page that asks for the factor the person has; a statement."""
    has_codes = is_mfa_enabled(user, [Authenticator.Type.TOTP])
    return "mfa_reauthenticate" if has_codes else "mfa_reauthenticate_webauthn"


def find_authentication(request: HttpRequest) -> Authentication | None:
    """Return the event behind the present session, or None when nobody is signed in."""
    user = request.user
    if not isinstance(user, User) or not user.is_active:
        return None
    records = get_authentication_records(request, user)
    if records:
        at = datetime.fromtimestamp(max(record["at"] for record in records), tz=UTC)
    else:
        # A session that allauth did not open: the admin's own login page, for one.
        at = user.last_login or user.date_joined
    methods = {name for record in records for name in _list_methods(record)}
    has_two_factors = _has_two_factors(records, methods)
    return Authentication(
        user=user,
        at=at,
        amr=tuple(sorted(methods | ({"mfa"} if has_two_factors else set()))),
        acr=ACR_TWO_FACTORS if has_two_factors else ACR_ONE_FACTOR,
    )


def _list_methods(record: Mapping[str, Any]) -> Collection[str]:
    """Return the methods behind one of allauth's records; runs a statement for a passkey."""
    if record.get("type") == Authenticator.Type.WEBAUTHN:
        return _list_key_methods(record.get("id"))
    # A second factor is known by its type, everything else by its method.
    name = _AMR.get(record.get("type") or record["method"])
    return () if name is None else (name,)


def _list_key_methods(authenticator_pk: int | None) -> Collection[str]:
    key = Authenticator.objects.filter(pk=authenticator_pk).first()
    if key is None:  # removed since: what held it nobody knows any more
        return ("user",)
    is_synced = key.wrap().authenticator_data.flags & _BACKUP_ELIGIBLE
    return _SYNCED if is_synced else _DEVICE_BOUND


def _has_two_factors(records: list[dict[str, Any]], methods: set[str]) -> bool:
    """Whether two kinds of proof were shown.

    A passkey that signs in by itself counts for two: it is had, and it has verified its person
    (allauth demands user verification there, WebAuthn §6.1).
    """
    if any(record.get("passwordless") for record in records):
        return True
    return "pwd" in methods and bool(methods & _POSSESSIONS)
