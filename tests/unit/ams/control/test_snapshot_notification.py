import asyncio
import json
import time
from urllib.parse import urlsplit

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connection, transaction

from ams.catalog.services.raise_configuration_version import CHANNEL, raise_configuration_version
from ams.http.snapshot_feed import build_application
from config.notifications import Notifications
from tests.factories.usage import make_subscription

pytestmark = pytest.mark.django_db(transaction=True)


def _change():
    try:
        with transaction.atomic():
            make_subscription()
            return raise_configuration_version()
    finally:
        connection.close()


async def test_a_committed_change_is_at_a_waiting_gateway_within_a_second(token_service):
    url = urlsplit(settings.DATABASE_URL)._replace(path=f"/{connection.settings_dict['NAME']}")
    notifications = Notifications(url.geturl(), (CHANNEL,))
    notifications.start()
    signal = notifications.signal(CHANNEL)
    async with asyncio.timeout(20):
        await signal.wait(0, 20)  # it says so once it listens
    sent = []

    async def receive():
        await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "query_string": b"after=1&wait=20",
        "headers": [(b"authorization", b"Bearer gateway-token")],
    }
    poll = asyncio.ensure_future(build_application(signal)(scope, receive, send))
    await asyncio.sleep(0.5)
    assert not poll.done()

    version = await sync_to_async(_change, thread_sensitive=False)()
    committed_at = time.monotonic()
    await asyncio.wait_for(poll, 15)

    assert time.monotonic() - committed_at < 1
    assert json.loads(sent[1]["body"])["version"] == version
    await notifications.stop()
