"""The number that tells gateways that there is something new to enforce."""

from django.db import connection, transaction

# The web role listens on this channel and wakes the long polls of the gateways.
CHANNEL = "tollgate_configuration"


def raise_configuration_version(*, catalog_stays: bool = False) -> int:
    """Return the new version of the gateway configuration; gateways are told when it commits.

    `catalog_stays` is the word of a caller that changes subscriptions only and writes the version
    to each of them: nothing else is read again then.

    The row lock makes changes commit in the order of their versions, so a reader that has
    seen version n has seen every change up to n. Raises TransactionManagementError outside a
    transaction: the version and the change must commit together. Runs two statements.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError(
            "raise_configuration_version belongs into the transaction of the change."
        )
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO catalog_configurationversion AS row (id, version, catalog_version)"
            " VALUES (1, 2, 2) ON CONFLICT (id) DO UPDATE SET version = row.version + 1,"
            " catalog_version = CASE WHEN %s THEN row.catalog_version ELSE row.version + 1 END"
            " RETURNING version",
            [catalog_stays],
        )
        version = int(cursor.fetchone()[0])
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, str(version)])
    return version
