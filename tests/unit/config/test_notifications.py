import asyncio
import os

import psycopg
import pytest

from config.notifications import Notifications

# The xdist workers share one database here: each has channels of its own.
CHANNEL = f"tollgate_test_{os.getpid()}"
OTHER = f"tollgate_other_{os.getpid()}"


@pytest.fixture
async def notifications():
    one = Notifications(os.environ["DATABASE_URL"], (CHANNEL, OTHER))
    one.start()
    await asyncio.wait_for(one.signal(CHANNEL).wait(0, 20), 20)  # it listens now
    yield one
    await one.stop()


@pytest.fixture
async def database():
    connection = await psycopg.AsyncConnection.connect(os.environ["DATABASE_URL"], autocommit=True)
    yield connection
    await connection.close()


async def test_notification_wakes_a_waiter(notifications, database):
    signal = notifications.signal(CHANNEL)
    mark = signal.mark()
    waiter = asyncio.create_task(signal.wait(mark, 30))

    await database.execute(f"NOTIFY {CHANNEL}, '7'")

    await asyncio.wait_for(waiter, 10)
    assert signal.mark() > mark


async def test_change_between_the_mark_and_the_wait_is_not_lost(notifications, database):
    signal = notifications.signal(CHANNEL)
    mark = signal.mark()
    await database.execute(f"NOTIFY {CHANNEL}")
    while signal.mark() == mark:  # noqa: ASYNC110 - `wait` is what is tested below
        await asyncio.sleep(0.01)

    await asyncio.wait_for(signal.wait(mark, 30), 1)


async def test_other_channel_wakes_nobody(notifications, database):
    signal = notifications.signal(CHANNEL)
    mark = signal.mark()

    await database.execute(f"NOTIFY {OTHER}")
    await signal.wait(mark, 0.5)

    assert signal.mark() == mark


async def test_all_waiters_wake_after_the_connection_was_lost(notifications, database):
    signal = notifications.signal(CHANNEL)
    mark = signal.mark()
    waiters = [asyncio.create_task(signal.wait(mark, 30)) for _ in range(3)]

    await database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE query LIKE %s AND pid <> pg_backend_pid()",
        (f'LISTEN "{OTHER}"%',),
    )

    await asyncio.wait_for(asyncio.gather(*waiters), 20)
    mark = signal.mark()
    await database.execute(f"NOTIFY {CHANNEL}")
    await asyncio.wait_for(signal.wait(mark, 30), 10)


async def test_wait_ends_with_its_time(notifications):
    signal = notifications.signal(CHANNEL)

    await asyncio.wait_for(signal.wait(signal.mark(), 0.05), 5)


async def test_database_that_is_away_is_waited_for():
    one = Notifications("postgresql://127.0.0.1:9/none", (CHANNEL,))
    one.start()
    await asyncio.sleep(0.5)

    assert one.signal(CHANNEL).mark() == 0
    await one.stop()
