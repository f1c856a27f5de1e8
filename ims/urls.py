"""The token service's addresses; every endpoint module is headed by its RFC section.

The revocation feed, `/oauth/revocations`, is an ASGI application of its own beside these.
"""

from django.urls import URLPattern, path

from ims.endpoints import (
    authorize,
    device_authorization,
    discovery,
    introspect,
    jwks,
    logout,
    par,
    protected_resources,
    register,
    revoke,
    token,
    userinfo,
)
from ims.views import account, choose_account, consent, device

urlpatterns: list[URLPattern] = [
    path(".well-known/openid-configuration", discovery.discovery, name="openid-configuration"),
    path(".well-known/oauth-authorization-server", discovery.discovery, name="oauth-metadata"),
    path(".well-known/openid-configuration/<path:issuer_path>", discovery.discovery),
    path(".well-known/oauth-authorization-server/<path:issuer_path>", discovery.discovery),
    path("<path:issuer_path>/.well-known/openid-configuration", discovery.discovery),
    path("oauth/authorize", authorize.authorize, name="oauth-authorize"),
    path("oauth/consent/<str:request_id>", consent.consent, name="oauth-consent"),
    path("oauth/account/<str:request_id>", choose_account.choose_account, name="oauth-account"),
    path("oauth/par", par.par, name="oauth-par"),
    path("oauth/token", token.token, name="oauth-token"),
    path(
        "oauth/device_authorization",
        device_authorization.device_authorization,
        name="oauth-device-authorization",
    ),
    path("device", device.enter_code, name="device"),
    path("device/confirm", device.confirm, name="device-confirm"),
    path("oauth/introspect", introspect.introspect, name="oauth-introspect"),
    path("oauth/revoke", revoke.revoke, name="oauth-revoke"),
    path("oauth/userinfo", userinfo.userinfo, name="oauth-userinfo"),
    path("oauth/jwks", jwks.jwks, name="oauth-jwks"),
    path("oauth/logout", logout.logout, name="oauth-logout"),
    path("oauth/logout/confirm", logout.confirm_logout, name="oauth-logout-confirm"),
    path("oauth/register", register.register, name="oauth-register"),
    path("oauth/register/<path:client_id>/secret", register.rotate_secret, name="oauth-secret"),
    path(
        "oauth/register/<path:client_id>", register.manage_registration, name="oauth-registration"
    ),
    path(
        "oauth/protected-resources",
        protected_resources.protected_resources,
        name="oauth-protected-resources",
    ),
    path("account/", account.account, name="ims-account"),
    path(
        "account/applications/<int:client_pk>/withdraw",
        account.withdraw,
        name="ims-account-withdraw",
    ),
    path(
        "account/sessions/<int:session_pk>/end", account.end_session, name="ims-account-end-session"
    ),
]
