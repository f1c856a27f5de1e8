"""RFC 9701: the answer of introspection as a JWT that proves who said it, and to whom."""

import time
from collections.abc import Sequence

from ims import conf
from ims.introspected import IntrospectedToken, VisibleResource
from ims.queries.introspection import Caller
from ims.services.encrypt_jwt import encrypt_jwt
from ims.services.introspect_as_document import introspect_as_document
from ims.services.sign_jwt import sign_jwt


def introspect_as_signed_document(
    *,
    caller: Caller,
    token: IntrospectedToken | None,
    resources: Sequence[VisibleResource] = (),
) -> str:
    """Return the JWT of RFC 9701 §5 about `token`, or about an inactive one, for `caller` alone.

    Signed with the caller's `introspection_signed_response_alg`, and encrypted to its key where it
    registered `introspection_encrypted_response_alg`. It has no `sub` and no `exp` of
    its own and a `typ` of its own, so that no API takes it for an access token (§5, §8.1). Raises
    ServerError when there is no key to encrypt to.
    """
    claims: dict[str, object] = {
        "iss": conf.issuer(),
        "aud": caller.client_id,
        "iat": int(time.time()),
        "token_introspection": introspect_as_document(token=token, resources=resources),
    }
    wanted = caller.signed_response_alg
    is_supported = wanted in conf.SUPPORTED_SIGNING_ALGORITHMS
    algorithm = wanted if is_supported else conf.INTROSPECTION_SIGNING_ALGORITHM
    jwt = sign_jwt(claims=claims, typ="token-introspection+jwt", algorithm=algorithm)
    if not caller.encrypted_response_alg:
        return jwt
    return encrypt_jwt(
        jwt=jwt,
        algorithm=caller.encrypted_response_alg,
        content_encryption=caller.encrypted_response_enc or conf.SUPPORTED_CONTENT_ENCRYPTIONS[0],
        jwks=caller.jwks,
    )
