"""What can go wrong in the token service beside the protocol's own refusals."""

from wire.oauth_errors import OAuthError


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


class PersonExists(IMSError):
    """The e-mail address or the username is taken."""


class RequestNotSupported(OAuthError):
    """OpenID Connect Core §3.1.2.6: request objects are not read."""

    code = "request_not_supported"


class RequestURINotSupported(OAuthError):
    """OpenID Connect Core §3.1.2.6."""

    code = "request_uri_not_supported"


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


class AuthorizationRefused(Exception):
    """An error that travels to the client's validated redirect URI (RFC 6749 §4.1.2.1)."""

    def __init__(self, error: OAuthError, *, redirect_uri: str, state: str) -> None:
        super().__init__(str(error))
        self.error = error
        self.redirect_uri = redirect_uri
        self.state = state
