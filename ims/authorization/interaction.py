"""OpenID Connect Core §3.1.2.3, §3.1.2.4: what the person must do before the client is answered."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Final

from django.utils import timezone

from ims import redirect_uris
from ims.authorization.authentication import Authentication
from ims.authorization.request import AuthorizationRequest
from ims.models import Client
from ims.queries import consents
from wire.oauth_errors import ConsentRequired, LoginRequired, OAuthError


class Interaction(Enum):
    """A page that the person must pass."""

    LOGIN = auto()
    REAUTHENTICATION = auto()
    CONSENT = auto()


def find_interaction(
    request: AuthorizationRequest, *, authentication: Authentication | None, asked_at: float
) -> Interaction | None:
    """Return the first page that is still due, or None when the client can be answered.

    With `prompt=none` no page may be shown: raises LoginRequired or ConsentRequired instead. Raises
    LoginRequired as well when somebody else is signed in than the client expects.
    """
    if authentication is not None and not _is_expected(request, authentication):
        # OpenID Connect Core §3.1.2.1: an error, whether or not pages may be shown.
        raise LoginRequired("id_token_hint: another person is signed in.")
    need = _find_need(request, authentication, asked_at)
    if need is not None and "none" in request.prompts:
        raise need.error(need.description)
    return None if need is None else need.interaction


def _is_expected(request: AuthorizationRequest, authentication: Authentication) -> bool:
    return request.expected_subject in {"", str(authentication.user.subject)}


def _find_need(
    request: AuthorizationRequest, authentication: Authentication | None, asked_at: float
) -> "_Need | None":
    if authentication is None:
        return _NOBODY
    due = (need for need in _NEEDS if need.is_due(request, authentication, asked_at))
    return next(due, None)


def _wants_fresh_authentication(
    request: AuthorizationRequest, authentication: Authentication, asked_at: float
) -> bool:
    # Whoever signed in for this very request may take their time over the consent page.
    if authentication.at >= datetime.fromtimestamp(asked_at, tz=UTC):
        return False
    if "login" in request.prompts:
        return True
    if request.max_age_seconds is None:
        return False
    return (timezone.now() - authentication.at).total_seconds() > request.max_age_seconds


def _wants_consent(
    request: AuthorizationRequest, authentication: Authentication, asked_at: float
) -> bool:
    del asked_at
    if "consent" in request.prompts:
        return True
    if request.client.is_first_party:
        return False
    if _may_be_impersonated(request):
        return True
    return not consents.has_consented(
        user=authentication.user,
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

    is_due: Callable[[AuthorizationRequest, Authentication, float], bool]
    interaction: Interaction
    error: type[OAuthError]
    description: str


_NOBODY: Final = _Need(lambda *_: True, Interaction.LOGIN, LoginRequired, "Nobody is signed in.")
_NEEDS: Final = (
    _Need(
        _wants_fresh_authentication,
        Interaction.REAUTHENTICATION,
        LoginRequired,
        "The person must sign in again.",
    ),
    _Need(
        _wants_consent,
        Interaction.CONSENT,
        ConsentRequired,
        "The person must allow the access first.",
    ),
)
