"""Remove browser sessions that have ended by their age."""

from importlib import import_module

from django.conf import settings


def delete_expired_sessions() -> None:
    """Delete the rows of ended sessions; the store keeps them until someone does.

    Whoever opens the authorization endpoint gets a session, so they are many.
    """
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
