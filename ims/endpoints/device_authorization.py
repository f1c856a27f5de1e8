"""RFC 8628 §3.1: the device authorization endpoint."""

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse

from ims import conf
from ims.endpoints.client_authentication import authenticate_client
from ims.endpoints.endpoint import oauth_endpoint
from ims.services.start_device_authorization import start_device_authorization


@oauth_endpoint("POST")
def device_authorization(request: HttpRequest) -> HttpResponse:
    """Answer with a code for the device and one for its person (§3.2)."""
    client = authenticate_client(request)
    started = start_device_authorization(
        client=client,
        scopes=request.POST.get("scope", "").split(),
        resources=[resource for resource in request.POST.getlist("resource") if resource],
    )
    page = f"{conf.issuer()}{reverse('device')}"
    return JsonResponse(
        {
            "device_code": started.device_code,
            "user_code": started.user_code,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?{urlencode({'user_code': started.user_code})}",
            "expires_in": started.expires_in,
            "interval": started.interval,
        }
    )
