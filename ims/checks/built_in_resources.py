"""The protected resources that every installation has: the token service's and ams' own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

GATEWAY_CLIENT_ID: Final = "tollgate-gateway"
AMS_CLIENT_ID: Final = "tollgate-ams"
# `ProtectedResource.registered_by` of the built-in ones.
BOOTSTRAP: Final = "bootstrap"


@dataclass(frozen=True, slots=True)
class BuiltInResource:
    """A protected resource under the issuer, with its one scope."""

    path: str
    name: str
    scope: str
    scope_description: str
    introspection_clients: Sequence[str]

    def get_identifier(self, issuer: str) -> str:
        """Return its RFC 8707 identifier."""
        return f"{issuer}{self.path}"


REGISTRY_PATH: Final = "/oauth/protected-resources"
BUILT_IN_RESOURCES: Final = (
    BuiltInResource(
        "/control",
        "Control API",
        "gateway",
        "Read the gateway's configuration and report usage",
        (AMS_CLIENT_ID,),
    ),
    BuiltInResource(
        "/api", "Management API", "manage", "Manage APIs, plans and subscriptions", (AMS_CLIENT_ID,)
    ),
    # The token service looks its own tokens up itself: nobody introspects them.
    BuiltInResource(
        REGISTRY_PATH,
        "Registry of protected resources",
        "resources:write",
        "Register the APIs that tokens are made for",
        (),
    ),
)


def is_built_in(resource: str, *, issuer: str) -> bool:
    """Whether `resource` is one of the built-in identifiers, in any spelling of its end."""
    return resource.rstrip("/") in {
        built_in.get_identifier(issuer) for built_in in BUILT_IN_RESOURCES
    }
