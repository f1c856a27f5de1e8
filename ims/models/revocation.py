"""The feed of revoked access tokens that gateways long-poll."""

from django.db import models


class RevocationEvent(models.Model):
    """One revoked access token. Ids commit in order: the writer holds an advisory lock."""

    token_digest = models.BinaryField(max_length=32)
    created_at = models.DateTimeField(auto_now_add=True)
    # After this the token is dead by itself and the event may go.
    expires_at = models.DateTimeField(db_index=True)
