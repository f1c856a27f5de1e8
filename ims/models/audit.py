"""The append-only log of security events, and the seals that make tampering show."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models.functions import Now


class CurrentTransaction(models.Func):
    """The 64-bit id of the writing transaction, as a number."""

    template = "(pg_current_xact_id()::text::bigint)"
    output_field = models.BigIntegerField()


class AuditEvent(models.Model):
    """One security event; written by `record_audit_event` only. Triggers refuse every change.

    It has no foreign keys: what it tells of may be deleted. Ids may commit out of order, but no
    row is ever added to a transaction that has ended: that is the order in which events are sealed.
    """

    transaction_id = models.BigIntegerField(db_default=CurrentTransaction(), editable=False)
    occurred_at = models.DateTimeField(db_default=Now())
    event = models.CharField(max_length=48)  # of ims.audit.events
    outcome = models.CharField(max_length=8)
    reason = models.CharField(max_length=64, blank=True)
    # As claimed where the event is a failure: it need not exist.
    client_id = models.TextField(blank=True)
    subject = models.CharField(max_length=64, blank=True)
    actor = models.CharField(max_length=150, blank=True)
    address = models.GenericIPAddressField(null=True, blank=True)
    user_agent = models.CharField(max_length=200, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    detail = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name = "audit event"
        indexes = [
            # Both grow with the table, so a few bytes for each run of pages are enough.
            BrinIndex(fields=["occurred_at"], name="ims_audit_occurred_at"),
            BrinIndex(fields=["transaction_id"], name="ims_audit_transaction"),
            models.Index(fields=["client_id", "id"], name="ims_audit_client"),
            models.Index(
                fields=["subject", "id"],
                name="ims_audit_subject",
                condition=~models.Q(subject=""),
            ),
        ]


class AuditSeal(models.Model):
    """A link of the chain: `hash` is over the seal before and the events that this one covers.

    It covers the events with an id above `above_id` that follow the seal before in the order of
    (transaction_id, id), up to (last_transaction_id, last_id). `mac` is made with a key that the
    database does not hold, so whoever can write to it cannot make the chain anew.
    """

    number = models.BigIntegerField(primary_key=True)
    sealed_at = models.DateTimeField()
    above_id = models.BigIntegerField()
    last_transaction_id = models.BigIntegerField()
    last_id = models.BigIntegerField()
    event_count = models.IntegerField()
    hash = models.BinaryField(max_length=32)
    mac = models.BinaryField(max_length=32)

    class Meta:
        verbose_name = "audit seal"

    def __str__(self) -> str:
        return f"Seal {self.number}"
