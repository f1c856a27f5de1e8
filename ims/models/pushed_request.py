"""RFC 9126: authorization requests that clients leave here before they send the browser."""

from django.db import models


class PushedAuthorizationRequest(models.Model):
    """The parameters behind a `request_uri`, of which only the digest is kept."""

    digest = models.BinaryField(max_length=32, primary_key=True)
    client = models.ForeignKey("ims.Client", on_delete=models.CASCADE)
    # As `AuthorizationRequest.parameters`: a list of values for each name.
    parameters = models.JSONField()
    expires_at = models.DateTimeField(db_index=True)
    # When a browser came with it: from then on it is nobody else's.
    used_at = models.DateTimeField(null=True, blank=True)
