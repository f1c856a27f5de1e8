"""`manage.py serve` from its first start to its last child, also when things go wrong."""

import os
import shutil
import signal
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from tests.live_stack import Stack

pytestmark = [pytest.mark.live, pytest.mark.faults]


@pytest.fixture
def make_stack():
    made = []

    def make(**environ):
        home = Path(tempfile.mkdtemp(prefix="tollgate-life-"))
        made.append(Stack(home, **environ))
        return made[-1]

    yield make
    for one in made:
        one.stop()
        shutil.rmtree(one.home, ignore_errors=True)


@pytest.fixture
def own_database():
    name = f"life_{os.getpid()}"
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def wait_for(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return condition()


def is_served(stack):
    try:
        return stack.call("GET", "/orders/v1/orders/42", token=stack.token()).status_code == 200
    except (httpx.HTTPError, AssertionError):
        return False


def test_killed_supervisor_leaves_nothing_and_the_next_start_keeps_the_data(make_stack):
    stack = make_stack()
    stack.start()
    first = stack.quickstart

    stack.process.send_signal(signal.SIGKILL)
    stack.process.wait()

    assert wait_for(lambda: not stack.find_survivors(), 40), stack.find_survivors()
    stack.start()
    assert stack.quickstart == first
    assert is_served(stack)

    assert stack.stop() == 0
    assert stack.find_survivors() == []


def test_killed_server_is_started_again_and_calls_go_on(make_stack):
    stack = make_stack()
    stack.start()
    before = stack.processes()

    for name in ("postgres", "valkey", "web"):
        os.kill(before[name], signal.SIGKILL)

    assert wait_for(
        lambda: all(
            stack.processes()[name] != before[name] for name in ("postgres", "valkey", "web")
        ),
        30,
    )
    assert "postgres ended (signal SIGKILL); restarting it." in stack.output.read_text()
    # A token that nobody knows yet needs every part of the road again.
    assert wait_for(lambda: is_served(stack), 40)
    assert stack.stop() == 0


def test_given_servers_are_used_and_none_is_embedded(make_stack, own_database):
    redis_url = urlsplit(os.environ["REDIS_URL"])._replace(path="/40").geturl()
    stack = make_stack(DATABASE_URL=own_database, REDIS_URL=redis_url)

    stack.start()

    assert is_served(stack)
    assert not (stack.home / "postgres").exists()
    assert not (stack.home / "valkey").exists()
    assert stack.stop(by_keyboard=True) == 0
    assert stack.find_survivors() == []
