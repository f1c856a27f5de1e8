"""OpenID Connect Core §3.1.2.1: `prompt` holds known values, and `none` stands alone."""

from typing import Final

from ims.authorization.request import AuthorizationRequest
from wire.oauth_errors import InvalidRequest

SUPPORTED: Final = ("none", "login", "consent", "select_account")


def check(request: AuthorizationRequest) -> None:
    """Set `prompts`. Raises InvalidRequest."""
    prompts = frozenset(request.value("prompt").split())
    if not prompts <= set(SUPPORTED):
        raise InvalidRequest(f"prompt: supported are {', '.join(SUPPORTED)}.")
    if "none" in prompts and len(prompts) > 1:
        raise InvalidRequest("prompt: none stands alone.")
    request.prompts = prompts
