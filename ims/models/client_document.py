"""Where a client's record comes from when it publishes a metadata document of its own."""

from django.db import models


class ClientDocument(models.Model):
    """The state of one metadata document; its contents are the client's record.

    draft-ietf-oauth-client-id-metadata-document-00 §4: kept as long as its HTTP headers allow,
    within our own bounds.
    """

    client = models.OneToOneField(
        "ims.Client", on_delete=models.CASCADE, related_name="document", primary_key=True
    )
    read_at = models.DateTimeField()
    # Until then nobody asks for it again.
    fresh_until = models.DateTimeField()
    # RFC 9110 §8.8.3, sent back as If-None-Match; empty where the document had none.
    etag = models.CharField(max_length=256, blank=True)
    # How often it could not be read since, why, and when it may be tried again.
    failures = models.PositiveSmallIntegerField(default=0)
    problem = models.CharField(max_length=256, blank=True)
    retry_at = models.DateTimeField(null=True, blank=True)
