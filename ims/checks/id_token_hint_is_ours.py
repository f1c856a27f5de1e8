"""OpenID Connect Core §3.1.2.1: `id_token_hint` says which person the client expects."""

from ims.authorization.request import AuthorizationRequest
from ims.queries.id_token_hints import find_hint
from wire.oauth_errors import InvalidRequest


def check(request: AuthorizationRequest) -> None:
    """Set `expected_subject`, empty without a hint; a hint costs a statement.

    Raises InvalidRequest for a hint that we never issued to this client.
    """
    request.expected_subject = ""
    if not request.value("id_token_hint"):
        return
    hint = find_hint(request.value("id_token_hint"))
    if hint is None or hint.client_id != request.client.client_id:
        raise InvalidRequest("id_token_hint: send an ID token that this application got here.")
    request.expected_subject = hint.subject
