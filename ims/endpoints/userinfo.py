"""OpenID Connect Core §5.3: the userinfo endpoint."""

from django.http import HttpRequest, HttpResponse, JsonResponse

from ims.endpoints.bearer_authentication import authenticate_bearer
from ims.endpoints.endpoint import oauth_endpoint
from ims.queries.claims import list_claims
from wire.oauth_errors import InvalidToken


@oauth_endpoint("GET", "POST", is_shared=True)
def userinfo(request: HttpRequest) -> HttpResponse:
    """Answer with the claims that the scopes of the bearer token open."""
    access_token = authenticate_bearer(request, scope="openid")
    if access_token.user is None:
        raise InvalidToken("The access token is a client's own; there is no person behind it.")
    return JsonResponse(list_claims(user=access_token.user, scopes=access_token.scopes))
