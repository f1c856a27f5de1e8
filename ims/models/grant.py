"""What a user allowed a client, and what was made from it."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from ims.models.client import Client
from wire.uuid7 import uuid7


class Consent(models.Model):
    """A user's remembered answer to the consent page, a row for each set of resources.

    Scopes of one API may be named like another's: allowed here is not allowed there.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    client = models.ForeignKey("ims.Client", on_delete=models.CASCADE)
    scopes = ArrayField(models.CharField(max_length=128), default=list)
    resources = ArrayField(models.CharField(max_length=512), default=list, blank=True)
    granted_at = models.DateTimeField(auto_now=True)


class Grant(models.Model):
    """One authorization: the family that a code, its access tokens and refresh tokens share.

    Revoking it ends all of them.
    """

    id = models.UUIDField(primary_key=True, default=uuid7)
    client = models.ForeignKey("ims.Client", on_delete=models.CASCADE)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    scopes = ArrayField(models.CharField(max_length=128), default=list)
    resources = ArrayField(models.CharField(max_length=512), default=list, blank=True)
    # The authentication event behind it (OpenID Connect Core §2).
    authenticated_at = models.DateTimeField()
    acr = models.CharField(max_length=128, blank=True)
    amr = ArrayField(models.CharField(max_length=16), default=list, blank=True)
    # OpenID Connect Core §5.5: the claims asked for by name, {"id_token": [..], "userinfo": [..]}.
    requested_claims = models.JSONField(default=dict, blank=True)
    # RFC 8693 §4.4: the subjects (clients, mostly) that alone may act for this grant's person, as
    # its client asked; null: it did not say. It never opens what no policy does.
    may_act = ArrayField(models.CharField(max_length=255), null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def may_be_refreshed_by(self, client: Client) -> bool:
        """Whether refresh tokens are issued for this grant to `client`, the grant's own.

        The client must be registered for them, and either the person allowed `offline_access`, or
        the client is confidential and so must prove itself at each use.
        """
        if "refresh_token" not in client.grant_types:
            return False
        is_confidential = client.token_endpoint_auth_method != Client.AuthMethod.NONE
        return is_confidential or "offline_access" in self.scopes


# The tables below are partitioned by `expires_at` (`ims.partitions`, ADR-0012). In the database
# their key is (digest, expires_at); that a digest is never there twice is owed to 256 random bits.
# Nothing is deleted from them when a client, a person or a grant goes: whoever reads a token joins
# what it hangs on, and a token without it is dead.


class AuthorizationCode(models.Model):
    """RFC 6749 §4.1.2: single use, short-lived, stored as a digest."""

    digest = models.BinaryField(max_length=32, primary_key=True)
    grant = models.ForeignKey(Grant, models.DO_NOTHING, db_constraint=False, db_index=False)
    client = models.ForeignKey("ims.Client", models.DO_NOTHING, db_constraint=False, db_index=False)
    redirect_uri = models.TextField()
    code_challenge = models.CharField(max_length=128)  # RFC 7636, S256 only
    nonce = models.CharField(max_length=512, blank=True)
    dpop_jkt = models.CharField(max_length=43, blank=True)  # RFC 9449 §10
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["grant"], name="ims_authorizationcode_grant")]


class RefreshToken(models.Model):
    """RFC 6749 §1.5, rotated: `used_at` marks one that has a successor."""

    digest = models.BinaryField(max_length=32, primary_key=True)
    grant = models.ForeignKey(Grant, models.DO_NOTHING, db_constraint=False, db_index=False)
    client = models.ForeignKey("ims.Client", models.DO_NOTHING, db_constraint=False, db_index=False)
    # RFC 9449 §5: the key that a public client must show with it; empty: not bound.
    dpop_jkt = models.CharField(max_length=43, blank=True)
    issued_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    # Set with `used_at`: what the successor is derived from, besides this token and SECRET_KEY.
    successor_salt = models.BinaryField(max_length=32, null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["grant"], name="ims_refreshtoken_grant")]


class AccessToken(models.Model):
    """An opaque access token, as a digest. `id` is the `jti` of the JWTs made from it."""

    digest = models.BinaryField(max_length=32, primary_key=True)
    id = models.UUIDField(default=uuid7)
    client = models.ForeignKey("ims.Client", models.DO_NOTHING, db_constraint=False, db_index=False)
    # Null for tokens of the client itself (client credentials).
    grant = models.ForeignKey(
        Grant, models.DO_NOTHING, null=True, blank=True, db_constraint=False, db_index=False
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
    )
    scopes = ArrayField(models.CharField(max_length=128), default=list)
    resources = ArrayField(models.CharField(max_length=512), default=list, blank=True)
    # RFC 9449 §6.1: the thumbprint of the key that must be shown with it; empty: a bearer token.
    dpop_jkt = models.CharField(max_length=43, blank=True)
    # RFC 8693 §4.1: who acts for the subject, as the `act` claim; null where nobody does.
    actor = models.JSONField(null=True, blank=True)
    # RFC 8693: the token that it was exchanged for and dies with, and its `sub` where that is
    # neither its user nor its client.
    parent_digest = models.BinaryField(max_length=32, null=True, blank=True)
    subject = models.CharField(max_length=255, blank=True, default="", db_default="")
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["client"], name="ims_accesstoken_client"),
            models.Index(
                fields=["parent_digest"],
                name="ims_accesstoken_parent",
                condition=models.Q(parent_digest__isnull=False),
            ),
            models.Index(
                fields=["grant"],
                name="ims_accesstoken_grant",
                condition=models.Q(grant__isnull=False),
            ),
        ]
