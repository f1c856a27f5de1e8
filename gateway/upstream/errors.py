"""What can go wrong between the gateway and an upstream; no HTTP in here."""

from typing import ClassVar


class UpstreamError(Exception):
    """The upstream gave no usable answer."""

    # Whether the request certainly never reached the application, so that sending it again is safe.
    retryable: ClassVar[bool] = False


class ConnectFailed(UpstreamError):
    """The name did not resolve, nobody listens, or the TLS handshake was refused."""

    retryable = True


class AddressForbidden(ConnectFailed):
    """The upstream's name stands for an address that calls may not be forwarded to."""


class NoTargetLeft(UpstreamError):
    """Health checks have taken out every target; nothing was sent."""

    retryable = True

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class ConnectTimedOut(UpstreamError):
    """No connection within `connect_timeout_seconds`."""

    retryable = True


class PoolTimedOut(UpstreamError):
    """Every connection was busy for `connect_timeout_seconds`."""

    retryable = True


class FirstByteTimedOut(UpstreamError):
    """The request was sent; no response head within `first_byte_timeout_seconds`."""


class IdleTimedOut(UpstreamError):
    """A body stood still, either way, for `idle_timeout_seconds`."""


class ConnectionLost(UpstreamError):
    """The upstream closed or reset the connection before its response was complete."""


class ProtocolViolation(UpstreamError):
    """The upstream sent something that is not one unambiguous HTTP/1.1 response."""


class RequestBodyMismatch(Exception):
    """The request body ended before, or went beyond, its announced length.

    The caller's client is at fault, not the upstream; the connection is gone.
    """
