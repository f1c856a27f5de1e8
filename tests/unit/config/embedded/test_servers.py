import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from config.embedded import servers, wheels
from config.embedded.wheels import NoWheel


@pytest.fixture
def start():
    """Start servers that are stopped when the test ends."""
    running = []

    def start_servers(home, **options):
        running.append(servers.start(home, **options))
        return running[-1]

    yield start_servers
    for one in running:
        one.stop()


@pytest.fixture
def home(tmp_path):
    tmp_path.chmod(0o700)  # as a private temporary folder is: the servers' user may not enter it
    return tmp_path / "home"


def run_sql(url, statement):
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else None


def test_data_survives_a_restart(home, start):
    first = start(home)
    run_sql(first.database_url, "CREATE TABLE kept AS SELECT 42 AS n")
    redis.Redis.from_url(first.redis_url).set("kept", "42")
    first.stop()

    second = start(home)

    assert run_sql(second.database_url, "SELECT n FROM kept") == [(42,)]
    assert redis.Redis.from_url(second.redis_url).get("kept") == b"42"


def test_data_survives_kill_9_of_both_servers(home, start):
    first = start(home)
    run_sql(first.database_url, "CREATE TABLE kept AS SELECT 42 AS n")
    client = redis.Redis.from_url(first.redis_url)
    client.set("kept", "42")
    client.execute_command("WAITAOF", 1, 0, 5000)
    for _, process in first.processes.values():
        process.kill()
        process.wait()

    second = start(home)

    assert run_sql(second.database_url, "SELECT n FROM kept") == [(42,)]
    assert redis.Redis.from_url(second.redis_url).get("kept") == b"42"


def test_stale_pid_file_that_names_a_stranger_is_no_obstacle(home, start):
    start(home, durable=False).stop()
    pid_file = home / "postgres" / "postmaster.pid"
    pid_file.write_text(f"{os.getppid()}\n{home / 'postgres'}\n0\n5432\n\n\n\n")

    again = start(home, durable=False)

    assert run_sql(again.database_url, "SELECT 1") == [(1,)]


def test_servers_end_with_a_parent_that_is_killed(home):
    script = (
        "import sys, time; from pathlib import Path; from config.embedded import servers\n"
        "s = servers.start(Path(sys.argv[1]), durable=False)\n"
        "print(*(p.pid for _, p in s.processes.values()), flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(home)], stdout=subprocess.PIPE, text=True
    )
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2

    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()

    deadline = time.monotonic() + 20
    while any(map(psutil.pid_exists, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in pids if psutil.pid_exists(pid)]


def test_long_data_folder_gets_a_short_socket(home, start):
    running = start(home / ("long" * 30), durable=False)

    assert run_sql(running.database_url, "SELECT 1") == [(1,)]


def test_database_listens_on_no_port(home, start):
    running = start(home, durable=False)

    assert run_sql(running.database_url, "SHOW listen_addresses") == [("",)]
    sockets = Path(run_sql(running.database_url, "SHOW unix_socket_directories")[0][0])
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700


def test_queue_is_closed_without_its_password(home, start):
    running = start(home, durable=False)
    host, _, port = running.redis_url.rpartition("@")[2].removesuffix("/0").partition(":")

    assert host == "127.0.0.1"
    with (
        redis.Redis(host=host, port=int(port)) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()


def test_password_of_the_queue_is_nowhere_to_be_seen(home, start):
    running = start(home, durable=False)
    password = running.redis_url.split(":")[2].split("@")[0]
    addresses = home / "run" / "services.json"

    _, valkey = running.processes["valkey"]
    assert password not in " ".join(psutil.Process(valkey.pid).cmdline())
    assert password in addresses.read_text()
    assert stat.S_IMODE(addresses.stat().st_mode) == 0o600


def test_interrupted_initdb_is_done_again(home, start):
    unfinished = home / "postgres.new"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")

    running = start(home, durable=False)

    assert run_sql(running.database_url, "SELECT 1") == [(1,)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has somebody else run the servers")
def test_root_keeps_its_folders_closed_and_runs_no_server(home, start):
    running = start(home, durable=False)

    users = {psutil.Process(p.pid).uids().real for _, p in running.processes.values()}
    assert 0 not in users
    assert stat.S_IMODE(home.parent.stat().st_mode) == 0o700


def test_platform_without_a_wheel_is_told_what_to_set(monkeypatch):
    monkeypatch.setattr(wheels.importlib.util, "find_spec", lambda _: None)

    with pytest.raises(NoWheel, match="Set DATABASE_URL and REDIS_URL"):
        wheels.find_postgres_programs()
