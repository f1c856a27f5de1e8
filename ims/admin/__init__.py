"""The token service in admin: people, applications, what was allowed, and the keys.

Nothing here shows a digest or a private key, and every change goes through a service. Sign-in is
allauth's, with its rate limits and second factor, which the admin's own page would go round.
"""

from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.models import Group

from ims.admin.audit import AuditEventAdmin, AuditSealAdmin
from ims.admin.consents import ConsentAdmin
from ims.admin.grants import GrantAdmin
from ims.admin.groups import GroupAdmin
from ims.admin.initial_access_tokens import InitialAccessTokenAdmin
from ims.admin.keys import SigningKeyAdmin
from ims.admin.registration_policies import RegistrationPolicyAdmin
from ims.admin.resources import ProtectedResourceAdmin
from ims.admin.sign_in import AuthenticatorAdmin, EmailAddressAdmin, UserSessionAdmin
from ims.admin.token_exchange_policies import TokenExchangePolicyAdmin
from ims.admin.users import UserAdmin, change_own_password
from ims.models import (
    AuditEvent,
    AuditSeal,
    Consent,
    Grant,
    InitialAccessToken,
    ProtectedResource,
    RegistrationPolicy,
    SigningKey,
    TokenExchangePolicy,
    User,
)

admin.site.unregister(Group)
admin.site.register(Group, GroupAdmin)
admin.site.unregister([EmailAddress, Authenticator, UserSession])
admin.site.register(EmailAddress, EmailAddressAdmin)
admin.site.register(Authenticator, AuthenticatorAdmin)
admin.site.register(UserSession, UserSessionAdmin)
admin.site.register(User, UserAdmin)
admin.site.register(Grant, GrantAdmin)
admin.site.register(Consent, ConsentAdmin)
admin.site.register(InitialAccessToken, InitialAccessTokenAdmin)
admin.site.register(RegistrationPolicy, RegistrationPolicyAdmin)
admin.site.register(SigningKey, SigningKeyAdmin)
admin.site.register(ProtectedResource, ProtectedResourceAdmin)
admin.site.register(TokenExchangePolicy, TokenExchangePolicyAdmin)
admin.site.register(AuditEvent, AuditEventAdmin)
admin.site.register(AuditSeal, AuditSealAdmin)
admin.site.password_change = change_own_password  # type: ignore[method-assign,assignment]
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
