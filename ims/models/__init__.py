"""One file a noun: migrations freeze import paths."""

from ims.models.audit import AuditEvent, AuditSeal
from ims.models.client import Client, ClientSecret, InitialAccessToken
from ims.models.client_document import ClientDocument
from ims.models.device_authorization import DeviceAuthorization
from ims.models.grant import AccessToken, AuthorizationCode, Consent, Grant, RefreshToken
from ims.models.protected_resource import ClaimMapping, ProtectedResource, ResourceScope
from ims.models.pushed_request import PushedAuthorizationRequest
from ims.models.registration_policy import RegistrationPolicy
from ims.models.revocation import RevocationEvent
from ims.models.signing_key import SigningKey
from ims.models.token_exchange_policy import TokenExchangePolicy
from ims.models.user import User

__all__ = [
    "AccessToken",
    "AuditEvent",
    "AuditSeal",
    "AuthorizationCode",
    "ClaimMapping",
    "Client",
    "ClientDocument",
    "ClientSecret",
    "Consent",
    "DeviceAuthorization",
    "Grant",
    "InitialAccessToken",
    "ProtectedResource",
    "PushedAuthorizationRequest",
    "RefreshToken",
    "RegistrationPolicy",
    "ResourceScope",
    "RevocationEvent",
    "SigningKey",
    "TokenExchangePolicy",
    "User",
]
