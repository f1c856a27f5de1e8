"""OpenID Connect Core §3.1.2.1: `acr_values` is a wish, in the order of preference."""

from ims.authorization.authentication import SUPPORTED_ACRS
from ims.authorization.request import AuthorizationRequest


def check(request: AuthorizationRequest) -> None:
    """Set `acr_values` to those that we know: the others cannot be met, and need not be."""
    asked = dict.fromkeys(request.value("acr_values").split())
    request.acr_values = tuple(value for value in asked if value in SUPPORTED_ACRS)
