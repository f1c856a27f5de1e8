"""Make the gateways exchange every token anew."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from ims import conf
from ims.models import RevocationEvent
from ims.services.write_revocation_events import publish_events


@transaction.atomic
def flush_exchanged_tokens() -> None:
    """Tell every gateway by the feed to drop the JWTs it holds; the tokens behind them stay good.

    Gateways hold a JWT for five minutes at most, so an event is of no use for longer than that.
    """
    expires_at = timezone.now() + timedelta(seconds=conf.ACCESS_TOKEN_TTL_SECONDS)
    publish_events([RevocationEvent(token_digest=b"", is_flush=True, expires_at=expires_at)])
