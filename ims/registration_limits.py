"""What a client may register for, and what it may become when it changes its record."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from ims.models import Client, InitialAccessToken, RegistrationPolicy

DEVICE_CODE: Final = "urn:ietf:params:oauth:grant-type:device_code"
TOKEN_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - a grant type
PRIVATE_KEY_JWT: Final = "private_key_jwt"
SUPPORTED_GRANT_TYPES: Final[tuple[str, ...]] = (
    "authorization_code",
    "refresh_token",
    "client_credentials",
    DEVICE_CODE,
    TOKEN_EXCHANGE,
)
# Whoever brings no token gets no secret from us, and nothing without a person, whatever a policy
# says: a client of nobody's could otherwise get tokens by itself.
STRANGERS_GRANT_TYPES: Final = ("authorization_code", "refresh_token")
STRANGERS_AUTH_METHODS: Final = (Client.AuthMethod.NONE.value, PRIVATE_KEY_JWT)


@dataclass(frozen=True, slots=True)
class RegistrationLimits:
    """What the source of a registration lets a client ask for; empty: no bound of that kind."""

    grant_types: tuple[str, ...]
    scopes: tuple[str, ...] = ()  # empty: every scope but the reserved ones
    auth_methods: tuple[str, ...] = ()
    redirect_hosts: tuple[str, ...] = ()
    # Whether the scope that a client names of itself bounds it from then on.
    keeps_named_scope: bool = True

    def allowed_auth_methods(self) -> list[str]:
        """Return the authentication methods that a client may choose."""
        known = Client.AuthMethod.values
        return [name for name in known if not self.auth_methods or name in self.auth_methods]

    def allowed_grant_types(self) -> list[str]:
        """Return the grant types that a client may choose."""
        return [name for name in SUPPORTED_GRANT_TYPES if name in self.grant_types]


def get_limits(
    *, permission: InitialAccessToken | None = None, policy: RegistrationPolicy | None = None
) -> RegistrationLimits:
    """Return what an initial access token and a policy allow together.

    Where one of the two says nothing the other counts; a scope both name must be in both.
    """
    grant_types: Sequence[str] = SUPPORTED_GRANT_TYPES
    scopes: Sequence[str] = ()
    if permission is not None:
        grant_types, scopes = permission.allowed_grant_types, permission.allowed_scopes
    if policy is None:
        return RegistrationLimits(tuple(grant_types), tuple(scopes))
    auth_methods: Sequence[str] = ()
    if policy.source != RegistrationPolicy.Source.TOKEN:
        grant_types, auth_methods = STRANGERS_GRANT_TYPES, STRANGERS_AUTH_METHODS
    return RegistrationLimits(
        grant_types=_meet(grant_types, policy.allowed_grant_types),
        scopes=_meet(scopes, policy.allowed_scopes),
        auth_methods=_meet(auth_methods, policy.allowed_auth_methods),
        redirect_hosts=tuple(policy.allowed_redirect_hosts),
        # An agent names what its first call needs and steps up later (RFC 9470). The server may
        # replace what it named (RFC 7591 §3.2.1); its person is asked for each scope anyway.
        keeps_named_scope=policy.source != RegistrationPolicy.Source.OPEN,
    )


def get_limits_of_client(client: Client) -> RegistrationLimits:
    """Return what `client` may become: what its source allows now.

    When its token is gone, or never was, the client keeps to what it has and the policy allows:
    deleting a token must not give its clients more.
    """
    policy = client.policy
    is_vouched_for = client.registered_with is not None
    if is_vouched_for or (policy is not None and policy.source != RegistrationPolicy.Source.TOKEN):
        return get_limits(permission=client.registered_with, policy=policy)
    own = RegistrationLimits(tuple(client.grant_types), tuple(client.scopes))
    if policy is None:
        return own
    allowed = get_limits(policy=policy)
    return replace(
        allowed,
        grant_types=_meet(own.grant_types, allowed.grant_types),
        scopes=_meet(own.scopes, allowed.scopes),
    )


def _meet(ours: Sequence[str], theirs: Sequence[str]) -> tuple[str, ...]:
    if not ours or not theirs:
        return tuple(ours or theirs)
    # Nothing in common must not read as "no bound": no client can ask for an empty name.
    return tuple(name for name in ours if name in theirs) or ("",)
