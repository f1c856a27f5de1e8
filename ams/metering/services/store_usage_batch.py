import json
import logging

from django.db import connection, transaction

from ams.metering.batch_limits import check_limits
from ams.metering.models import UsageBatchRecord
from wire.usage_batch import UsageBatch, parse_batch

logger = logging.getLogger(__name__)

_INSERT = """
INSERT INTO metering_usagebatchrecord (id, node, document, is_import, received_at)
VALUES (%s, %s, %s::jsonb, %s, clock_timestamp())
ON CONFLICT (id) DO NOTHING
"""


def store_usage_batch(*, document: object, is_import: bool = False) -> bool:
    """Store the batch for folding; whether it is new. A second arrival changes nothing.

    `is_import` lifts the lateness limit of 35 days: for usage of past months that an
    operator loads, never for what a gateway sends. Raises wire.usage_batch.MalformedBatch.
    """
    batch = parse_batch(document)
    check_limits(batch)
    content = json.dumps(batch.as_document())
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_INSERT, [batch.id, batch.node, content, is_import])
        if cursor.rowcount == 1:
            return True
    _report_conflict(batch)
    return False


def _report_conflict(batch: UsageBatch) -> None:
    """Log when the stored batch of that id says something else: a gateway reused an id."""
    stored = UsageBatchRecord.objects.get(pk=batch.id)
    if stored.document not in (None, batch.as_document()):
        logger.error("Usage batch %s of %s differs from the stored one.", batch.id, batch.node)
