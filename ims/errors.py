"""What can go wrong in the token service beside the protocol's own refusals."""

from ims import response_modes
from wire.oauth_errors import (
    InvalidDPoPProof,
    InvalidRequest,
    OAuthError,
    UnsafeRedirect,
    UseDPoPNonce,
)


class IMSError(Exception):
    """The root of the token service's own errors."""


class NoSigningKey(IMSError):
    """No key of this algorithm is active; a first signature makes one."""

    def __init__(self, algorithm: str) -> None:
        super().__init__(f"No {algorithm} signing key is active.")
        self.algorithm = algorithm


class UndecryptableKey(IMSError):
    """A private key does not open with the present SECRET_KEY (or its fallbacks)."""

    def __init__(self, kid: str) -> None:
        super().__init__(
            f"Signing key {kid} was encrypted under another SECRET_KEY. Put the former key into "
            "SECRET_KEY_FALLBACKS, or retire this signing key and make a new one."
        )
        self.kid = kid


class UnopenedSecret(IMSError):
    """A text at rest does not open with the present SECRET_KEY (or its fallbacks)."""

    def __init__(self) -> None:
        super().__init__(
            "A stored secret was encrypted under another SECRET_KEY. Put the former key into "
            "SECRET_KEY_FALLBACKS."
        )


class PersonExists(IMSError):
    """The e-mail address or the username is taken."""


class FetchFailed(IMSError):
    """A document of somebody else could not be had; `retryable` says whether it may be later.

    The text is for the log. Whoever named the address is not told what we found there.
    """

    retryable = False


class ForbiddenTarget(FetchFailed):
    """The URL, or an address of its host, is none that we ask."""


class TargetUnreachable(FetchFailed):
    """The name does not resolve, nobody takes the connection, or TLS does not hold."""

    retryable = True


class FetchTimedOut(FetchFailed):
    """The time limit passed before the last byte came."""

    retryable = True


class DocumentTooLarge(FetchFailed):
    """The document has more bytes than the caller wants to read."""


class UnexpectedAnswer(FetchFailed):
    """A status other than 200 (a redirect, for one), or a content coding."""

    def __init__(self, text: str, *, status: int) -> None:
        super().__init__(text)
        self.status = status
        self.retryable = status >= 500 or status == 429


class TooManyFetches(FetchFailed):
    """Nobody was asked: too many fetches are under way, or the last one has just failed."""

    retryable = True


class ProofRefusedByResource(InvalidDPoPProof):
    """RFC 9449 §7.1: a protected resource says so with a challenge."""

    status = 401


class NonceNeededByResource(UseDPoPNonce):
    """RFC 9449 §9: a protected resource says so with a challenge."""

    status = 401


class RequestNotSupported(OAuthError):
    """OpenID Connect Core §3.1.2.6: request objects are not read."""

    code = "request_not_supported"


class RequestURINotSupported(OAuthError):
    """OpenID Connect Core §3.1.2.6."""

    code = "request_uri_not_supported"


class RegistrationNotSupported(OAuthError):
    """OpenID Connect Core §3.1.2.6: its §7.2.1 is for self-issued providers."""

    code = "registration_not_supported"


class Throttled(OAuthError):
    """RFC 6585 §4: too many failures; `retry_after_seconds` says when the next try is free."""

    code = "temporarily_unavailable"
    status = 429
    may_redirect = False

    def __init__(self, *, retry_after_seconds: int, detail: str = "") -> None:
        super().__init__(
            "Too many failed attempts from your network. Wait as long as Retry-After says.",
            detail=detail,
        )
        self.retry_after_seconds = retry_after_seconds


class TooManyRegistrations(Throttled):
    """New clients come too fast from one network."""

    def __init__(self, *, retry_after_seconds: int) -> None:
        super().__init__(retry_after_seconds=retry_after_seconds)
        self.description = (
            "Too many new clients from your network. Wait as long as Retry-After says."
        )


class RegistrationClosed(OAuthError):
    """RFC 7591 §3.2.2 leaves it open: the metadata is good, but nobody new is taken."""

    code = "access_denied"
    status = 403


class ClientDocumentRefused(UnsafeRedirect):
    """A client identifier that is a URL leads to no metadata document that is taken here."""


class TooManySecrets(InvalidRequest):
    """A client has as many secrets as it may have."""


class SecretEndFixed(InvalidRequest):
    """A secret would live on after its end, or end in the past."""


class InvalidRequestURI(UnsafeRedirect):
    """RFC 9101 §6.2, RFC 9126 §4: nothing is known about the client behind it, so show a page."""

    code = "invalid_request_uri"

    def __init__(self, *, detail: str = "") -> None:
        super().__init__(
            "request_uri: it is unknown, has expired, was used already or belongs to another"
            " application. Go back to the application and start again.",
            detail=detail,
        )


class RequestTooLarge(InvalidRequest):
    """RFC 9126 §2.3: the pushed request is larger than what is kept."""

    status = 413


class AuthorizationRefused(Exception):
    """An error that travels to the client's validated redirect URI (RFC 6749 §4.1.2.1)."""

    def __init__(
        self,
        error: OAuthError,
        *,
        redirect_uri: str,
        state: str,
        client_id: str = "",
        response_mode: str = response_modes.QUERY,
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.redirect_uri = redirect_uri
        self.state = state
        self.client_id = client_id
        self.response_mode = response_mode
