"""What a source of registrations may bring in (RFC 7591 §3, §5)."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


class RegistrationPolicy(models.Model):
    """Bounds for the clients of one source; they follow a change when they register or update.

    An initial access token may point to one; beside it each of the two sources that need no token
    has exactly one.
    """

    class Source(models.TextChoices):
        TOKEN = "token", "Initial access tokens"
        OPEN = "open", "Anyone, without a token"
        DOCUMENT = "document", "Client ID metadata documents"

    objects: ClassVar[models.Manager["RegistrationPolicy"]]

    name = models.CharField(max_length=64, unique=True)
    source = models.CharField(max_length=16, choices=Source, default=Source.TOKEN)
    is_enabled = models.BooleanField(
        "enabled", default=True, help_text="Off: nobody new; clients that are here stay."
    )
    allowed_grant_types = ArrayField(
        models.CharField(max_length=64),
        default=list,
        blank=True,
        help_text="Empty: every one that the source may have.",
    )
    allowed_scopes = ArrayField(
        models.CharField(max_length=128),
        default=list,
        blank=True,
        help_text="Empty: every scope but the platform's own.",
    )
    allowed_auth_methods = ArrayField(
        models.CharField(max_length=32),
        default=list,
        blank=True,
        verbose_name="allowed authentication methods",
        help_text="Empty: every method.",
    )
    allowed_redirect_hosts = ArrayField(
        models.CharField(max_length=255),
        default=list,
        blank=True,
        help_text=(
            "app.example, or *.app.example for every host below it; a private scheme stands for"
            " itself (com.example.app). Empty: every host."
        ),
    )
    trusted_document_hosts = ArrayField(
        models.CharField(max_length=255),
        default=list,
        blank=True,
        help_text="Hosts whose metadata documents are read, as above. Empty: every public host.",
    )
    refused_document_hosts = ArrayField(
        models.CharField(max_length=255),
        default=list,
        blank=True,
        help_text="Hosts whose metadata documents are never read, as above.",
    )
    most_clients = models.PositiveIntegerField(
        null=True, blank=True, help_text="How many of its clients may live. Empty: no limit."
    )
    most_per_hour = models.PositiveIntegerField(
        "most an hour",
        null=True,
        blank=True,
        help_text="New clients from one network address. Empty: no limit. Not for tokens.",
    )
    secret_lifetime_days = models.PositiveIntegerField(
        null=True, blank=True, help_text="Empty: secrets have no end."
    )
    remove_unused_after_days = models.PositiveIntegerField(
        null=True,
        blank=True,
        default=90,
        help_text=(
            "Contacts of clients that came with a token are warned by mail 14 days before. Empty:"
            " never removed."
        ),
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "registration policies"
        constraints = [
            models.UniqueConstraint(
                fields=["source"],
                condition=~Q(source="token"),
                name="ims_registration_policy_one_a_source",
            )
        ]

    def __str__(self) -> str:
        return self.name
