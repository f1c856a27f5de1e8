import threading

import pytest
from django.conf import settings
from django.utils import timezone
from redis import Redis

from ams.metering.fold_queue import FoldQueue
from ams.metering.models import HourlyUsage
from ams.metering.services.store_usage_batch import store_usage_batch
from ams.metering.tasks import fold_usage
from tests.factories.usage import make_batch, make_row


class Broker:
    """Sends when it is let; counts what came through and when it was asked."""

    def __init__(self, *, failures=0):
        self.failures = failures
        self.asked = threading.Semaphore(0)
        self.may_send = threading.Event()
        self.sent = 0

    def send(self):
        self.asked.release()
        assert self.may_send.wait(20)
        if self.failures:
            self.failures -= 1
            raise ConnectionRefusedError("refused")
        self.sent += 1


def test_a_broker_that_hangs_holds_nobody_up_and_is_asked_once_more_for_all():
    broker = Broker()
    queue = FoldQueue(broker.send)

    queue.enqueue()
    assert broker.asked.acquire(timeout=20)
    for _ in range(50):
        queue.enqueue()
    broker.may_send.set()

    assert broker.asked.acquire(timeout=20)
    assert not broker.asked.acquire(timeout=0.3)
    assert broker.sent == 2


def test_a_broker_that_fails_is_counted_and_tried_again():
    broker = Broker(failures=1)
    broker.may_send.set()
    queue = FoldQueue(broker.send, pause_seconds=0.05)

    queue.enqueue()
    assert broker.asked.acquire(timeout=20)
    queue.enqueue()
    assert broker.asked.acquire(timeout=20)

    assert (queue.failures, broker.failures) == (1, 0)


def test_the_task_reaches_the_real_broker():
    broker = Redis.from_url(settings.REDIS_URL)
    broker.delete("celery")

    FoldQueue().enqueue()

    message = broker.blpop(["celery"], timeout=20)
    assert message is not None
    assert b"ams.metering.tasks.fold_usage" in message[1]
    broker.close()


@pytest.mark.django_db
def test_the_task_folds_all_that_waits():
    for _ in range(3):
        store_usage_batch(document=make_batch(make_row(timezone.now())))

    fold_usage()

    assert sum(HourlyUsage.objects.values_list("calls", flat=True)) == 3
