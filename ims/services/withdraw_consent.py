"""Take back what a person allowed an application."""

from ims.models import Consent
from ims.services.withdraw_access import withdraw_access


def withdraw_consent(*, consent: Consent) -> None:
    """Take back everything that the person of `consent` allowed its application."""
    withdraw_access(user=consent.user, client=consent.client)
