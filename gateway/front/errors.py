"""Refusals of the front: requests that no stage of the pipeline gets to see.

The connection is closed after each: where this request ends is not known, or not believed.
"""

from gateway.dataplane.errors import Refusal


class ConflictingFraming(Refusal):
    """RFC 9112 §6.1: such a message ought to be handled as an error, it smells of smuggling."""

    status, type = 400, "/problems/conflicting-framing"
    title = "Content-Length and Transfer-Encoding exclude each other"
    closes = True


class BadFraming(Refusal):
    """RFC 9112 §6.3 and §7.1."""

    status, type, title = 400, "/problems/bad-framing", "The end of the request is not clear"
    closes = True


class TransferCodingNotImplemented(Refusal):
    """RFC 9112 §6.1."""

    status, type = 501, "/problems/transfer-coding-not-implemented"
    title = "The transfer coding is not implemented"
    closes = True


class VersionNotSupported(Refusal):
    """RFC 9110 §15.6.6."""

    status, type, title = 505, "/problems/version-not-supported", "The HTTP version is not served"
    closes = True


class ExpectationFailed(Refusal):
    """RFC 9110 §10.1.1."""

    status, type, title = 417, "/problems/expectation-failed", "The expectation cannot be met"
    closes = True


class RequestTimedOut(Refusal):
    """RFC 9110 §15.5.9."""

    status, type, title = 408, "/problems/request-timeout", "The request did not arrive in time"
    closes = True
