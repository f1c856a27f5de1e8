"""What can go wrong in the portal. Each message is a sentence for the developer who reads it."""


class PortalError(Exception):
    """Root of the tree."""

    retryable = False


class TokenServiceUnavailable(PortalError):
    """The token service did not answer in time, or answered nonsense."""

    retryable = True


class SignInFailed(PortalError):
    """The sign-in cannot be trusted or was refused; the developer starts it again."""

    retryable = True


class PortalNotRegistered(PortalError):
    """The portal itself has no usable client at the token service."""


class RegistrationRefused(PortalError):
    """The token service refused client metadata (RFC 7591 §3.2.2)."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code

    @property
    def field(self) -> str:
        """The form field that mends it."""
        return {"invalid_redirect_uri": "redirect_uris"}.get(self.code, "name")


class RegistrationGone(PortalError):
    """The token service knows the client no more, or not with our credential (RFC 7592 §2)."""


class CredentialUnreadable(PortalError):
    """A stored registration access token does not decrypt with any key of this installation."""
