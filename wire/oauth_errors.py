"""The registered OAuth error codes (RFC 6749 §4.1.2.1, §5.2; RFC 7591 §3.2.2; RFC 6750 §3.1).

One class per code with three texts: `code` (the registry's), `description`
(public, names the parameter and the mend) and `detail` (for the log only).
"""

from typing import ClassVar


class OAuthError(Exception):
    """A refusal in the protocol's own words."""

    code: ClassVar[str] = "server_error"
    status: ClassVar[int] = 400
    # Whether the error may travel to the client's redirect URI (RFC 6749 §4.1.2.1).
    may_redirect: ClassVar[bool] = True

    def __init__(self, description: str = "", *, detail: str = "") -> None:
        super().__init__(description or self.code)
        self.description = description
        self.detail = detail

    def as_document(self) -> dict[str, str]:
        """Return the JSON members of RFC 6749 §5.2."""
        document = {"error": self.code}
        if self.description:
            document["error_description"] = self.description
        return document


class InvalidRequest(OAuthError):
    code = "invalid_request"


class UnsafeRedirect(InvalidRequest):
    """The client or its redirect URI is not to be trusted: show a page, never redirect."""

    may_redirect = False


class InvalidClient(OAuthError):
    code = "invalid_client"
    status = 401
    may_redirect = False


class InvalidGrant(OAuthError):
    code = "invalid_grant"


class UnauthorizedClient(OAuthError):
    code = "unauthorized_client"


class UnsupportedGrantType(OAuthError):
    code = "unsupported_grant_type"


class UnsupportedResponseType(OAuthError):
    code = "unsupported_response_type"


class InvalidScope(OAuthError):
    code = "invalid_scope"


class InvalidTarget(OAuthError):
    """RFC 8707 §2: the resource is unknown or not allowed."""

    code = "invalid_target"


class AccessDenied(OAuthError):
    code = "access_denied"


class LoginRequired(OAuthError):
    """OpenID Connect Core §3.1.2.6."""

    code = "login_required"


class ConsentRequired(OAuthError):
    """OpenID Connect Core §3.1.2.6."""

    code = "consent_required"


class AuthorizationPending(OAuthError):
    """RFC 8628 §3.5: the person has not answered yet; ask again after the interval."""

    code = "authorization_pending"


class SlowDown(OAuthError):
    """RFC 8628 §3.5: the client asks too often; its interval is five seconds longer from now on."""

    code = "slow_down"


class ExpiredToken(OAuthError):
    """RFC 8628 §3.5: the device code has expired."""

    code = "expired_token"


class AccountSelectionRequired(OAuthError):
    """OpenID Connect Core §3.1.2.6."""

    code = "account_selection_required"


class UnmetAuthenticationRequirements(OAuthError):
    """OpenID Connect Core Error Code unmet_authentication_requirements 1.0 §2."""

    code = "unmet_authentication_requirements"


class InvalidToken(OAuthError):
    """RFC 6750 §3.1: expired, revoked, malformed or made for someone else."""

    code = "invalid_token"
    status = 401


class InsufficientScope(OAuthError):
    """RFC 6750 §3.1."""

    code = "insufficient_scope"
    status = 403

    def __init__(self, description: str = "", *, scope: str = "", detail: str = "") -> None:
        super().__init__(description, detail=detail)
        self.scope = scope


class InvalidDPoPProof(OAuthError):
    """RFC 9449 §5: the proof is malformed, for another request, or was used before."""

    code = "invalid_dpop_proof"


class UseDPoPNonce(OAuthError):
    """RFC 9449 §8: the proof must be signed with the nonce that goes back in a header."""

    code = "use_dpop_nonce"


class InvalidClientMetadata(OAuthError):
    """RFC 7591 §3.2.2."""

    code = "invalid_client_metadata"


class InvalidRedirectURI(OAuthError):
    """RFC 7591 §3.2.2."""

    code = "invalid_redirect_uri"


class InvalidSoftwareStatement(OAuthError):
    """RFC 7591 §3.2.2."""

    code = "invalid_software_statement"


class UnapprovedSoftwareStatement(OAuthError):
    """RFC 7591 §3.2.2."""

    code = "unapproved_software_statement"


class TemporarilyUnavailable(OAuthError):
    code = "temporarily_unavailable"
    status = 503


class ServerError(OAuthError):
    code = "server_error"
    status = 500
