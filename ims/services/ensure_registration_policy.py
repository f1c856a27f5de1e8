"""The policy of a source of registrations that has exactly one."""

from typing import Any, Final

from ims.models import Client, RegistrationPolicy

_CODE_GRANTS: Final = ["authorization_code", "refresh_token"]
# Closed: a token service that anyone may register at is an administrator's choice.
_DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    RegistrationPolicy.Source.OPEN: {
        "name": "Open registration",
        "is_enabled": False,
        "allowed_grant_types": _CODE_GRANTS,
        "allowed_auth_methods": [Client.AuthMethod.NONE.value],
        "most_clients": 10_000,
        "most_per_hour": 20,
        "remove_unused_after_days": 30,
    },
    # Open: the document proves who owns the identifier, and people see where they are sent.
    RegistrationPolicy.Source.DOCUMENT: {
        "name": "Client metadata documents",
        "is_enabled": True,
        "allowed_grant_types": _CODE_GRANTS,
        "allowed_auth_methods": [Client.AuthMethod.NONE.value, "private_key_jwt"],
        "most_clients": 10_000,
        "most_per_hour": 60,
        "remove_unused_after_days": 30,
    },
}


def ensure_registration_policy(*, source: str) -> RegistrationPolicy:
    """Return the one policy of `source` (open or document), made with its defaults if need be."""
    policy, _ = RegistrationPolicy.objects.get_or_create(source=source, defaults=_DEFAULTS[source])
    return policy
