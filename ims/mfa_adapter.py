"""How allauth's second factors behave at our token service."""

from typing import Any, Final

from allauth.account.internal.stagekit import unstash_login
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from django.core.exceptions import ValidationError

from ims import secret_box
from ims.audit.events import Event, Outcome
from ims.models import User
from ims.services.record_audit_event import record_audit_event

_PURPOSE: Final = "second factor at rest v1"


class MFAAdapter(DefaultMFAAdapter):
    """Secrets of authenticators rest encrypted, and a wrong code is recorded."""

    def encrypt(self, text: str) -> str:
        """Return `text` under a key derived from SECRET_KEY: a copy of the database opens none."""
        return secret_box.seal(text, purpose=_PURPOSE)

    def decrypt(self, encrypted_text: str) -> str:
        """Return the secret; one that was stored before they were encrypted is as it is."""
        return secret_box.open_sealed(encrypted_text, purpose=_PURPOSE)

    def validation_error(self, code: str, *args: Any) -> ValidationError:
        """Return the form's error; a wrong code is recorded, for it may be a guess."""
        if code == "incorrect_code":
            record_audit_event(
                event=Event.LOGIN, outcome=Outcome.FAILURE, subject=_subject(), reason="wrong_code"
            )
        error: ValidationError = super().validation_error(code, *args)
        return error


def _subject() -> str:
    """Return who is signed in, or about to be."""
    request = context.request
    login = unstash_login(request, peek=True)
    person = login.user if login is not None else request.user
    return str(person.subject) if isinstance(person, User) else ""
