"""Who may exchange whose tokens, for what (RFC 8693)."""

from django.contrib.postgres.fields import ArrayField
from django.db import models


class TokenExchangePolicy(models.Model):
    """What one client may make of other clients' access tokens; without a policy, nothing.

    A request must fit one policy in whole. It still gets no more than the subject token is worth,
    and never a scope of the platform's own.
    """

    client = models.ForeignKey(
        "ims.Client",
        verbose_name="acting client",
        on_delete=models.CASCADE,
        related_name="token_exchange_policies",
        help_text="The client that exchanges tokens.",
    )
    label = models.CharField(max_length=64, blank=True)
    may_impersonate = models.BooleanField(
        default=False, help_text="Tokens that say nothing of the acting client but its client_id."
    )
    may_delegate = models.BooleanField(
        default=False, help_text="Tokens whose act claim names who acts for the subject."
    )
    subject_clients = models.ManyToManyField(
        "ims.Client",
        related_name="+",
        blank=True,
        help_text="Whose tokens may be exchanged. Empty: nobody's.",
    )
    resources = ArrayField(
        models.CharField(max_length=512),
        default=list,
        blank=True,
        help_text="APIs that exchanged tokens may be for. Empty: none.",
    )
    scopes = ArrayField(
        models.CharField(max_length=128),
        default=list,
        blank=True,
        help_text="Scopes that exchanged tokens may carry. Empty: none.",
    )

    class Meta:
        verbose_name_plural = "token exchange policies"

    def __str__(self) -> str:
        return self.label or f"Policy of {self.client}"
