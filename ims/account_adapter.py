"""How allauth behaves at our token service: what it records, and whom it slows down."""

from typing import Any, Final

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.login import record_authentication
from allauth.account.models import EmailAddress
from django.http import HttpRequest, HttpResponse

from ims import throttle
from ims.audit.events import Event, Outcome
from ims.models import User
from ims.queries.people import find_person
from ims.services.change_password import change_password
from ims.services.record_audit_event import record_audit_event
from ims.throttle import Purpose
from ims.usernames import propose_username
from ims.views.account_words import describe_browser

# allauth tells a person of these by mail, which is where it lets us know as well.
_NOTIFIED: Final = {
    "account/email/email_changed": Event.EMAIL_CHANGED,
    "account/email/email_deleted": Event.EMAIL_CHANGED,
    "mfa/email/totp_activated": Event.MFA_ADDED,
    "mfa/email/totp_deactivated": Event.MFA_REMOVED,
    "mfa/email/webauthn_added": Event.MFA_ADDED,
    "mfa/email/webauthn_removed": Event.MFA_REMOVED,
    "mfa/email/recovery_codes_generated": Event.RECOVERY_CODES_MADE,
}


class AccountAdapter(DefaultAccountAdapter):
    """Usernames are made from the e-mail address; people never choose one."""

    def populate_username(self, request: HttpRequest, user: User) -> None:
        """Set the username of a person who signs up."""
        del request
        if not user.username:
            user.username = propose_username(user.email)

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:  # noqa: FBT001, FBT002 - allauth's signature
        """Save and record the account of a person who signs up."""
        saved: User = super().save_user(request, user, form, commit=commit)
        if commit:
            record_audit_event(event=Event.SIGNED_UP, subject=str(saved.subject))
        return saved

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Refuse before the check where a network failed too often with this login.

        In place of allauth's own limit: that one counts an account's failures from everywhere, so
        that five wrong guesses of a stranger keep its owner out.
        """
        del request
        if throttle.find_wait_seconds(Purpose.LOGIN, subject=_login_of(credentials)):
            raise self.validation_error("too_many_login_attempts")

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Count and record the failure; what was typed may be a password in the wrong field."""
        super().authentication_failed(request, **credentials)
        login = _login_of(credentials)
        person = find_person(login=login)
        record_audit_event(
            event=Event.LOGIN,
            outcome=Outcome.FAILURE,
            subject=str(person.subject) if person else "",
            reason="wrong_password",
        )
        throttle.count_failure(Purpose.LOGIN, subject=login)

    def post_login(
        self, request: HttpRequest, user: User, *, signup: bool, **login: Any
    ) -> HttpResponse:
        """Record the sign-in, and the authentication event of a sign-up, which allauth leaves out.

        The person set the password in this very session and has shown that the mailbox is theirs.
        Without the record `auth_time` would be a guess.
        """
        if signup and not get_authentication_records(request, user):
            record_authentication(request, user, method="password")
        response: HttpResponse = super().post_login(request, user, signup=signup, **login)
        records = get_authentication_records(request, user)
        methods = [record.get("type") or record["method"] for record in records]
        record_audit_event(
            event=Event.LOGIN, subject=str(user.subject), detail={"methods": methods}
        )
        return response

    def logout(self, request: HttpRequest) -> None:
        """End and record the session."""
        user = request.user
        super().logout(request)
        if isinstance(user, User):
            record_audit_event(event=Event.LOGOUT, subject=str(user.subject))

    def reauthenticate(self, user: User, password: str) -> bool:
        """Whether the password is right; recorded when it is (a wrong one is a failed sign-in)."""
        is_right: bool = super().reauthenticate(user, password)
        if is_right:
            record_audit_event(event=Event.REAUTHENTICATED, subject=str(user.subject))
        return is_right

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """Take the address for verified and record it."""
        is_verified: bool = super().confirm_email(request, email_address)
        if is_verified:
            subject = str(email_address.user.subject)
            record_audit_event(event=Event.EMAIL_VERIFIED, subject=subject)
        return is_verified

    def set_password(self, user: User, password: str) -> None:
        """Change the password, which ends the other sessions and what applications hold.

        Who is not signed in came by the link of a mail.
        """
        request = self.request
        is_own = isinstance(request.user, User) and request.user.pk == user.pk
        change_password(
            user=user,
            password=password,
            event=Event.PASSWORD_CHANGED if is_own else Event.PASSWORD_RESET,
            kept_session_key=request.session.session_key if is_own else None,
        )

    def send_notification_mail(
        self,
        template_prefix: str,
        user: User,
        context: dict[str, Any] | None = None,
        email: str | None = None,
    ) -> None:
        """Record what the person is told about."""
        if template_prefix in _NOTIFIED:
            kind = template_prefix.rpartition("/")[2].partition("_")[0]
            record_audit_event(
                event=_NOTIFIED[template_prefix],
                subject=str(user.subject),
                detail={"kind": kind} if template_prefix.startswith("mfa/") else None,
            )
        browser = describe_browser(self.request.META.get("HTTP_USER_AGENT", ""))
        told = {"browser": browser} | (context or {})
        super().send_notification_mail(template_prefix, user, told, email)


def _login_of(credentials: dict[str, Any]) -> str:
    return str(credentials.get("email") or credentials.get("username") or "").lower()
