"""RFC 7517 §5: the keys that verify our JWTs."""

from django.http import HttpRequest, HttpResponse, JsonResponse

from ims import conf
from ims.endpoints.endpoint import oauth_endpoint
from ims.queries.signing_keys import list_published_signing_keys


@oauth_endpoint("GET", "HEAD")
def jwks(request: HttpRequest) -> HttpResponse:
    """Answer with the public keys, those that will sign soon among them."""
    del request
    keys = [key.public_jwk for key in list_published_signing_keys()]
    return JsonResponse(
        {"keys": keys},
        content_type="application/jwk-set+json",
        headers={
            "Cache-Control": f"public, max-age={conf.JWKS_MAX_AGE_SECONDS}",
            "Access-Control-Allow-Origin": "*",
        },
    )
