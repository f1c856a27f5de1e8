"""The OpenAPI description of the management API, and a page to read and try it."""

from typing import Any

from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_replace
from django.utils.decorators import method_decorator
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

# Swagger UI styles its elements one by one. Scripts come from our own origin only: the split
# view serves the page's own script from an address, so none is inline.
_POLICY = {
    "script-src": [SELF],
    "style-src": [SELF, UNSAFE_INLINE],
    "img-src": [SELF, "data:"],
}


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # untyped library
    """Tells the description how requests authenticate; found by being imported."""

    target_class = "ams.http.authentication.BearerAuthentication"
    name = "accessToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return the security scheme object."""
        del auto_schema
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "An access token for the resource <issuer>/api with the scope `manage`.",
        }


class DescriptionView(SpectacularAPIView):
    """The description itself; anybody may read it."""

    authentication_classes = ()


@method_decorator(csp_replace(_POLICY), name="dispatch")
class DocumentationView(SpectacularSwaggerSplitView):
    """Swagger UI, served from our own files; it calls nobody else."""

    url_name = "management-schema"
    authentication_classes = ()
