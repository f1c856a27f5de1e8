"""The feed of revoked access tokens that gateways long-poll."""

from django.db import models


class RevocationEvent(models.Model):
    """One revoked access token, or a flush. Ids commit in order: the writer holds a lock."""

    # Empty for a flush.
    token_digest = models.BinaryField(max_length=32)
    # Tells gateways to drop every JWT they hold: the key that signed them is not believed any more.
    is_flush = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    # After this the token is dead by itself and the event may go.
    expires_at = models.DateTimeField(db_index=True)
