"""Workers are killed under load, and what clients completed is what was counted."""

import http.client
import os
import random
import signal
import ssl
import threading
import time
from pathlib import Path

import pytest

from tests.unit.gateway.fake_authority import AuthorityServer, eventually
from tests.unit.gateway.gateway_process import (
    ROOT,
    Echo,
    Gateway,
    make_certificate,
    make_snapshot,
)
from wire.bearer import Prefix, mint

WORKERS, KILLS = 3, 12
# A worker is killed before or after it sends; were it as fast as it can be, seldom just there.
SLOW_SENDFILE = """
import logging, os, time

logging.basicConfig(level=logging.INFO)  # the parent's, too

def slow(*arguments, real=os.sendfile):
    time.sleep(0.002)
    try:
        return real(*arguments)
    finally:
        time.sleep(0.002)

os.sendfile = slow
"""


@pytest.fixture
def world(tmp_path):
    """Return (gateway, token, authority); sending takes the gateway's workers a while."""
    authority, echo = AuthorityServer(), Echo()
    authority.publish(make_snapshot(2, echo.url))
    token = mint(Prefix.ACCESS_TOKEN)
    authority.live[token] = {}
    make_certificate(tmp_path / "tls")
    slowness = tmp_path / "slow"
    slowness.mkdir()
    (slowness / "sitecustomize.py").write_text(SLOW_SENDFILE)
    gateway = Gateway(
        tmp_path,
        authority.url,
        TOLLGATE_GATEWAY_WORKERS=str(WORKERS),
        PYTHONPATH=f"{slowness}:{ROOT}",
    )
    gateway.start()
    assert eventually(lambda: len(gateway.worker_pids()) == WORKERS)
    yield gateway, token, authority
    if gateway.process.poll() is None:
        gateway.stop()
    echo.close()
    authority.close()


class Caller(threading.Thread):
    """Calls without a pause, and counts the whole answers. Cut connections are made anew."""

    def __init__(self, gateway, token, body_bytes=0):
        super().__init__(daemon=True)
        self._context = ssl.create_default_context(cafile=str(gateway.home / "tls/gateway.pem"))
        self._port = gateway.port
        self._headers = {"Authorization": f"Bearer {token}"}
        self._body = b"x" * body_bytes
        self.completed = self.cut = 0
        self.is_over = threading.Event()

    def run(self):
        while not self.is_over.is_set():
            connection = http.client.HTTPSConnection(
                "localhost", self._port, context=self._context, timeout=20
            )
            try:
                while not self.is_over.is_set():
                    self._call(connection)
            except (OSError, http.client.HTTPException):
                self.cut += 1
                self.is_over.wait(0.01)
            finally:
                connection.close()

    def _call(self, connection):
        if self._body:
            connection.request("POST", "/orders/v1/orders", self._body, self._headers)
        else:
            connection.request("GET", "/orders/v1/orders/42", headers=self._headers)
        answer = connection.getresponse()
        answer.read()  # raises where it is not whole
        self.completed += answer.status == 200


def memfds(gateway):
    """Return how many descriptors of sent files the parent has."""
    names = []
    for path in Path(f"/proc/{gateway.process.pid}/fd").iterdir():
        try:
            names.append(str(path.readlink()))
        except FileNotFoundError:  # it was closed while we looked
            continue
    return sum(name.startswith("/memfd:tollgate-sent") for name in names)


def kill_some(gateway, callers):
    chance = random.Random()  # noqa: S311 - no secret
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.2, 0.6))
        before = sum(caller.completed for caller in callers)
        assert eventually(lambda: len(gateway.worker_pids()) > 1, 10)
        assert eventually(lambda now=before: sum(c.completed for c in callers) > now + 20, 10)
        os.kill(chance.choice(gateway.worker_pids()), signal.SIGKILL)


def counted(authority):
    """Return the calls with 200, each batch once."""
    batches = {batch["id"]: batch for batch in list(authority.batches)}
    assert all(batch == batches[batch["id"]] for batch in list(authority.batches))
    rows = (row for batch in batches.values() for row in batch["rows"])
    return sum(row["calls"] for row in rows if row["status"] == 200)


def test_calls_that_clients_completed_are_the_calls_that_were_counted(world):
    gateway, token, authority = world
    files = memfds(gateway)
    sizes = (0, 0, 0, 300, 100_000, 100_000)  # the last byte of a long answer is sent apart
    callers = [Caller(gateway, token, size) for size in sizes]
    for caller in callers:
        caller.start()

    kill_some(gateway, callers)
    for caller in callers:
        caller.is_over.set()
    for caller in callers:
        caller.join(25)
    completed = sum(caller.completed for caller in callers)
    eventually(lambda: counted(authority) >= completed, 5)
    assert eventually(lambda: len(gateway.worker_pids()) == WORKERS, 10)
    files_after = memfds(gateway)
    assert gateway.stop() == 0

    log = gateway.log.read_text()
    assert counted(authority) == completed
    assert 0 < files_after == files
    assert log.count("a worker ended with -9") == KILLS
    assert "a killed worker had" in log  # some calls were in doubt
    assert "unsettled" not in log
    assert all(caller.completed > 20 for caller in callers)
    assert sum(caller.cut for caller in callers) >= KILLS // 2
