"""The number that tells gateways that there is something new to enforce."""

from django.db import connection, transaction

# The web role listens on this channel and wakes the long polls of the gateways.
CHANNEL = "tollgate_configuration"


def raise_configuration_version() -> int:
    """Return the new version of the gateway configuration; gateways are told when it commits.

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
            "INSERT INTO catalog_configurationversion AS row (id, version) VALUES (1, 2)"
            " ON CONFLICT (id) DO UPDATE SET version = row.version + 1 RETURNING version"
        )
        version = int(cursor.fetchone()[0])
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, str(version)])
    return version
