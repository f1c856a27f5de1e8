"""The registry of security events: every line of the audit log is one of these."""

from django.db.models import TextChoices


class Outcome(TextChoices):
    SUCCESS = "success"
    FAILURE = "failure"


class Event(TextChoices):
    """Value, and the words of admin. A value once written stays: the log is never rewritten."""

    # --- people ---
    LOGIN = "person.login", "Sign-in"
    LOGOUT = "person.logout", "Sign-out"
    REAUTHENTICATED = "person.reauthenticated", "Proved again who they are"
    SIGNED_UP = "person.signed_up", "Sign-up"
    PERSON_CREATED = "person.created", "Person created"
    PERSON_ACTIVATED = "person.activated", "Person activated"
    PERSON_DEACTIVATED = "person.deactivated", "Person deactivated"
    EMAIL_VERIFIED = "person.email_verified", "E-mail address verified"
    EMAIL_CHANGED = "person.email_changed", "E-mail addresses changed"
    PASSWORD_CHANGED = "person.password_changed", "Password changed"
    PASSWORD_RESET = "person.password_reset", "Password reset by mail"
    MFA_ADDED = "person.mfa_added", "Second factor added"
    MFA_REMOVED = "person.mfa_removed", "Second factor removed"
    RECOVERY_CODES_MADE = "person.recovery_codes_made", "Recovery codes made"
    SESSION_ENDED = "person.session_ended", "Session ended"
    # --- what people allow ---
    CONSENT_GIVEN = "consent.given", "Consent given"
    CONSENT_WITHDRAWN = "consent.withdrawn", "Consent withdrawn"
    AUTHORIZATION_GRANTED = "authorization.granted", "Authorization granted"
    AUTHORIZATION_REFUSED = "authorization.refused", "Authorization refused"
    DEVICE_AUTHORIZED = "device.authorized", "Device allowed"
    DEVICE_REFUSED = "device.refused", "Device refused"
    # --- tokens ---
    TOKEN_ISSUED = "token.issued", "Token issued"
    TOKEN_REFUSED = "token.refused", "Token refused"
    TOKEN_REVOKED = "token.revoked", "Token revoked"
    CODE_REPLAYED = "token.code_replayed", "Authorization code used twice"
    REFRESH_REPLAYED = "token.refresh_replayed", "Refresh token used twice"
    GRANT_REVOKED = "grant.revoked", "Authorization ended"
    INTROSPECTION_REFUSED = "introspection.refused", "Introspection refused"
    # --- clients ---
    CLIENT_AUTHENTICATION_FAILED = "client.authentication_failed", "Client authentication failed"
    CLIENT_REGISTERED = "client.registered", "Client registered"
    CLIENT_UPDATED = "client.updated", "Client updated"
    CLIENT_DELETED = "client.deleted", "Client deleted"
    CLIENT_DISABLED = "client.disabled", "Client disabled"
    CLIENT_ENABLED = "client.enabled", "Client enabled"
    CLIENT_TOKENS_REVOKED = "client.tokens_revoked", "Every token of a client revoked"
    SECRET_ROTATED = "client.secret_rotated", "Client secret changed"
    REGISTRATION_REFUSED = "client.registration_refused", "Registration refused"
    INITIAL_ACCESS_TOKEN_MADE = "client.initial_access_token_made", "Initial access token made"
    # --- the installation ---
    KEY_CREATED = "key.created", "Signing key made"
    KEY_ROTATED = "key.rotated", "Signing keys rotated"
    KEY_RETIRED = "key.retired", "Signing key retired"
    RESOURCE_REGISTERED = "resource.registered", "Protected resource registered"
    RESOURCE_DELETED = "resource.deleted", "Protected resource deleted"
    ADMIN_CHANGED = "admin.changed", "Changed by an administrator"
    AUDIT_EXPORTED = "audit.exported", "Audit log exported"
    THROTTLED = "throttled", "Slowed down"
