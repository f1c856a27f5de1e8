"""The phantom token: the by-value JWT that one API gets in place of an opaque token (RFC 9068)."""

from typing import Final

from ims.introspected import IntrospectedToken, VisibleResource
from ims.queries.phantom_token import list_phantom_claims
from ims.services.encrypt_jwt import encrypt_jwt
from ims.services.sign_jwt import sign_jwt

# RFC 7519 §5.3: what stays readable outside of an encrypted JWT. A gateway enforces with these, and
# has them from introspection anyway; what the API's mappings add is for the API alone.
_REPLICATED: Final = (
    "iss",
    "sub",
    "aud",
    "client_id",
    "scope",
    "iat",
    "exp",
    "cnf",
    "acr",
    "auth_time",
)


def introspect_as_jwt(*, token: IntrospectedToken, resource: VisibleResource) -> str:
    """Return the `at+jwt` about `token` that only `resource` may accept.

    Signed with the resource's algorithm; encrypted to its key where it asks for that, and then the
    claims that a gateway needs are replicated in the header. Raises ServerError when there is no
    key to encrypt to: it is never sent in clear instead.
    """
    claims = list_phantom_claims(token=token, resource=resource)
    jwt = sign_jwt(claims=claims, typ="at+jwt", algorithm=resource.jwt_signing_alg)
    if not resource.jwt_encryption_alg:
        return jwt
    return encrypt_jwt(
        jwt=jwt,
        algorithm=resource.jwt_encryption_alg,
        jwks=resource.jwks,
        header={name: claims[name] for name in _REPLICATED if name in claims},
    )
