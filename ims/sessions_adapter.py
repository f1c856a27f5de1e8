"""How allauth's list of sessions behaves at our token service."""

from collections.abc import Iterable

from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from allauth.usersessions.models import UserSession

from ims.audit.events import Event
from ims.services.record_audit_event import record_audit_event


class UserSessionsAdapter(DefaultUserSessionsAdapter):
    """Each session that a person ends is recorded."""

    def end_sessions(self, sessions: Iterable[UserSession]) -> None:
        """End and record them."""
        for session in sessions:
            session.end()
            record_audit_event(
                event=Event.SESSION_ENDED,
                subject=str(session.user.subject),
                detail={"session_address": session.ip},
            )
