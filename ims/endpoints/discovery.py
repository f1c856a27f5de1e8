"""RFC 8414 §3, OpenID Connect Discovery 1.0 §4: what this token service is and where."""

from typing import Final
from urllib.parse import urlsplit

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse

from ims import conf, jws, response_modes
from ims.authorization.authentication import SUPPORTED_ACRS
from ims.checks import prompt_is_coherent
from ims.endpoints.endpoint import oauth_endpoint
from ims.endpoints.token import GRANT_TYPES
from ims.models import Client
from ims.queries.client_documents import takes_client_documents
from ims.queries.published_scopes import list_published_scopes

_CLAIMS: Final = (
    "sub",
    "iss",
    "aud",
    "azp",
    "exp",
    "iat",
    "auth_time",
    "nonce",
    "acr",
    "amr",
    "at_hash",
    "name",
    "given_name",
    "family_name",
    "preferred_username",
    "email",
    "email_verified",
)


@oauth_endpoint("GET", "HEAD", is_shared=True)
def discovery(request: HttpRequest, issuer_path: str = "") -> HttpResponse:
    """Answer with one document for every well-known address of the issuer.

    `issuer_path` is the issuer's own path where the address holds it: RFC 8414 §3.1 puts it behind
    the well-known part, OpenID Connect Discovery §4 before it. 404 for anybody else's.
    """
    del request
    if issuer_path and f"/{issuer_path}" != urlsplit(conf.issuer()).path:
        raise Http404
    return JsonResponse(
        _list_endpoints() | _list_capabilities(),
        headers={
            "Cache-Control": f"public, max-age={conf.DISCOVERY_MAX_AGE_SECONDS}",
        },
    )


def _list_endpoints() -> dict[str, object]:
    names = {
        "authorization_endpoint": "oauth-authorize",
        "token_endpoint": "oauth-token",
        "device_authorization_endpoint": "oauth-device-authorization",
        "pushed_authorization_request_endpoint": "oauth-par",
        "introspection_endpoint": "oauth-introspect",
        "revocation_endpoint": "oauth-revoke",
        "registration_endpoint": "oauth-register",
        "userinfo_endpoint": "oauth-userinfo",
        "end_session_endpoint": "oauth-logout",
        "jwks_uri": "oauth-jwks",
    }
    addresses = {member: f"{conf.issuer()}{reverse(name)}" for member, name in names.items()}
    return {"issuer": conf.issuer(), **addresses}


def _list_capabilities() -> dict[str, object]:
    with_secret = [
        method.value for method in Client.AuthMethod if method is not Client.AuthMethod.NONE
    ]
    # Agents that read "none" here register as public clients; without it they give up.
    any_method = [method.value for method in Client.AuthMethod]
    return {
        "scopes_supported": [*conf.OPENID_SCOPES, *list_published_scopes()],
        "response_types_supported": ["code"],
        "response_modes_supported": list(response_modes.SUPPORTED),
        "grant_types_supported": list(GRANT_TYPES),
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": any_method,
        "introspection_endpoint_auth_methods_supported": with_secret,
        "revocation_endpoint_auth_methods_supported": any_method,
        **{
            f"{endpoint}_endpoint_auth_signing_alg_values_supported": list(jws.ALGORITHMS)
            for endpoint in ("token", "introspection", "revocation")
        },
        "dpop_signing_alg_values_supported": list(jws.ALGORITHMS),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": list(conf.SUPPORTED_SIGNING_ALGORITHMS),
        "introspection_signing_alg_values_supported": list(conf.SUPPORTED_SIGNING_ALGORITHMS),
        "introspection_encryption_alg_values_supported": list(conf.SUPPORTED_ENCRYPTION_ALGORITHMS),
        "introspection_encryption_enc_values_supported": list(conf.SUPPORTED_CONTENT_ENCRYPTIONS),
        "claim_types_supported": ["normal"],
        "claims_supported": list(_CLAIMS),
        "acr_values_supported": list(SUPPORTED_ACRS),
        "prompt_values_supported": list(prompt_is_coherent.SUPPORTED),
        "authorization_response_iss_parameter_supported": True,
        "client_id_metadata_document_supported": takes_client_documents(),
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "require_pushed_authorization_requests": False,
        "request_uri_parameter_supported": False,
    }
