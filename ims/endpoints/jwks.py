"""RFC 7517 §5: the keys that verify our JWTs."""

import hashlib

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import get_conditional_response

from ims import conf
from ims.endpoints.endpoint import oauth_endpoint
from ims.queries.signing_keys import list_published_signing_keys


@oauth_endpoint("GET", "HEAD", is_shared=True)
def jwks(request: HttpRequest) -> HttpResponse:
    """Answer with the public keys, those that will sign soon among them; 304 to who has them."""
    keys = [key.public_jwk for key in list_published_signing_keys()]
    response = JsonResponse({"keys": keys}, content_type="application/jwk-set+json")
    response["Cache-Control"] = f"public, max-age={conf.JWKS_MAX_AGE_SECONDS}"
    etag = f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'
    response["ETag"] = etag
    # RFC 9110 §15.4.5: a 304 keeps the headers that tell how long the copy holds.
    return get_conditional_response(request, etag=etag, response=response) or response
