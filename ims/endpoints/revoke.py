"""RFC 7009: token revocation."""

from django.http import HttpRequest, HttpResponse

from ims.endpoints.client_authentication import authenticate_client
from ims.endpoints.endpoint import oauth_endpoint
from ims.services.revoke_token import revoke_token
from wire.oauth_errors import InvalidRequest


@oauth_endpoint("POST", is_shared=True)
def revoke(request: HttpRequest) -> HttpResponse:
    """Answer 200 whether or not the token was known (RFC 7009 §2.2).

    `token_type_hint` is not needed: a credential's prefix says what it is.
    """
    client = authenticate_client(request)
    token = request.POST.get("token", "")
    if not token:
        raise InvalidRequest("token: the parameter is missing; send it form-urlencoded.")
    revoke_token(token=token, client=client)
    return HttpResponse(status=200)
