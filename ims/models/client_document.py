"""Where a client's record comes from when it publishes a metadata document of its own."""

from django.db import models


class ClientDocument(models.Model):
    """The state of one metadata document; its contents are the client's record.

    draft-ietf-oauth-client-id-metadata-document-00 §4.4: kept as long as its HTTP headers allow,
    within our own bounds. The HTTP cache is `ims.outbound`'s; this is what outlives it.
    """

    client = models.OneToOneField(
        "ims.Client", on_delete=models.CASCADE, related_name="document", primary_key=True
    )
    # When it was last good, and until when nobody asks for it again.
    read_at = models.DateTimeField()
    fresh_until = models.DateTimeField()
    # Since when it is gone, or is none any more: nobody is let in on what it said before.
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    # Why it could not be read the last time; for administrators only.
    problem = models.CharField(max_length=256, blank=True)
