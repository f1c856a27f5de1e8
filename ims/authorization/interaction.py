"""OpenID Connect Core §3.1.2.3, §3.1.2.4: what the person must do before the client is answered."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Final

from django.utils import timezone

from ims import redirect_uris
from ims.authorization.authentication import (
    ACR_TWO_FACTORS,
    Authentication,
    may_show_second_factor,
)
from ims.authorization.request import AuthorizationRequest
from ims.models import Client
from ims.queries import consents
from wire.oauth_errors import (
    AccountSelectionRequired,
    ConsentRequired,
    LoginRequired,
    OAuthError,
    UnmetAuthenticationRequirements,
)


class Interaction(Enum):
    """A page that the person must pass."""

    LOGIN = auto()
    ACCOUNT = auto()
    REAUTHENTICATION = auto()
    SECOND_FACTOR = auto()
    CONSENT = auto()


def find_interaction(
    request: AuthorizationRequest,
    *,
    authentication: Authentication | None,
    asked_at: float,
    is_account_chosen: bool = False,
) -> Interaction | None:
    """Return the first page that is still due, or None when the client can be answered.

    With `prompt=none` no page may be shown: raises LoginRequired or ConsentRequired instead. Raises
    LoginRequired as well when somebody else is signed in than the client expects, and
    UnmetAuthenticationRequirements where an essential `acr` is out of the person's reach.
    """
    if authentication is None:
        need: _Need | None = _NOBODY
    else:
        if not _is_expected(request, authentication):
            # OpenID Connect Core §3.1.2.1: an error, whether or not pages may be shown.
            raise LoginRequired("Another person is signed in than the application expects.")
        stage = _Stage(request, authentication, asked_at, is_account_chosen)
        need = next((need for need in _NEEDS if need.is_due(stage)), None)
    if need is not None and "none" in request.prompts:
        raise need.error(need.description)
    return None if need is None else need.interaction


@dataclass(frozen=True, slots=True)
class _Stage:
    """How far a request has come; `asked_at` is Unix time in seconds."""

    request: AuthorizationRequest
    authentication: Authentication
    asked_at: float
    is_account_chosen: bool

    @property
    def is_fresh(self) -> bool:
        """Whether the person signed in for this very request."""
        return self.authentication.at >= datetime.fromtimestamp(self.asked_at, tz=UTC)


def _is_expected(request: AuthorizationRequest, authentication: Authentication) -> bool:
    return request.expected_subject in {"", str(authentication.user.subject)}


def _wants_choice_of_account(stage: _Stage) -> bool:
    is_asked = "select_account" in stage.request.prompts
    return is_asked and not (stage.is_account_chosen or stage.is_fresh)


def _wants_fresh_authentication(stage: _Stage) -> bool:
    # Whoever signed in for this very request may take their time over the consent page.
    if stage.is_fresh:
        return False
    if "login" in stage.request.prompts:
        return True
    if stage.request.max_age_seconds is None:
        return False
    age = timezone.now() - stage.authentication.at
    return age.total_seconds() > stage.request.max_age_seconds


def _wants_second_factor(stage: _Stage) -> bool:
    """Whether a second factor is asked for and can be shown; runs a statement then.

    Asked for by `acr_values`, it is a wish: whoever has none goes on, and the ID token tells
    (OpenID Connect Core §3.1.2.1). An essential `acr` is none (§5.5.1.1): raises
    UnmetAuthenticationRequirements.
    """
    request, authentication = stage.request, stage.authentication
    if request.essential_acrs:
        if authentication.meets(request.essential_acrs):
            return False
        if not may_show_second_factor(authentication.user):
            raise UnmetAuthenticationRequirements("The person has no second factor to show.")
        return True
    is_wished = request.acr_values[:1] == (ACR_TWO_FACTORS,)
    return (
        is_wished
        and authentication.acr != ACR_TWO_FACTORS
        # A wish is no reason for an error where pages may not be shown.
        and "none" not in request.prompts
        and may_show_second_factor(authentication.user)
    )


def _wants_consent(stage: _Stage) -> bool:
    request = stage.request
    if "consent" in request.prompts:
        return True
    if request.client.is_first_party:
        return False
    if _may_be_impersonated(request):
        return True
    return not consents.has_consented(
        user=stage.authentication.user,
        client=request.client,
        scopes=request.scopes,
        resources=request.resources,
    )


def _may_be_impersonated(request: AuthorizationRequest) -> bool:
    """Whether another program could send this very request and read the answer.

    RFC 8252 §8.6: such requests SHOULD NOT be processed without the person's consent each time.
    """
    public = request.client.token_endpoint_auth_method == Client.AuthMethod.NONE
    return public and redirect_uris.is_interceptable(request.redirect_uri)


@dataclass(frozen=True, slots=True)
class _Need:
    """A page, when it is due, and the error where it may not be shown."""

    is_due: Callable[[_Stage], bool]
    interaction: Interaction
    error: type[OAuthError]
    description: str


_NOBODY: Final = _Need(lambda _: True, Interaction.LOGIN, LoginRequired, "Nobody is signed in.")
_NEEDS: Final = (
    _Need(
        _wants_choice_of_account,
        Interaction.ACCOUNT,
        AccountSelectionRequired,
        "The person must choose an account.",
    ),
    _Need(
        _wants_fresh_authentication,
        Interaction.REAUTHENTICATION,
        LoginRequired,
        "The person must sign in again.",
    ),
    _Need(
        _wants_second_factor,
        Interaction.SECOND_FACTOR,
        LoginRequired,
        "The person must show a second factor.",
    ),
    _Need(
        _wants_consent,
        Interaction.CONSENT,
        ConsentRequired,
        "The person must allow the access first.",
    ),
)
