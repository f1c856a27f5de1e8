import json
import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from config.processes.program import Program
from config.processes.supervisor import (
    Interruption,
    StartFailed,
    StopRequested,
    Supervisor,
    stop_leftovers,
)

QUIET = "import time; time.sleep(600)"


@pytest.fixture
def said():
    return []


@pytest.fixture
def supervisor(tmp_path, said):
    one = Supervisor(tmp_path, said.append, Interruption())
    yield one
    one.stop([list(one._children)])


def build(name, script, *, is_ready=lambda: True, **options):
    return Program(name=name, argv=(sys.executable, "-c", script), is_ready=is_ready, **options)


def get_pid(supervisor, name):
    return supervisor._children[name].process.pid


def wait_for(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition()


def watch_until(supervisor, condition):
    """Run `watch` here, as the main thread must, and end it once `condition` holds."""

    def ask_to_stop():
        deadline = time.monotonic() + 20
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.02)
        supervisor.interruption.count += 1

    asker = threading.Thread(target=ask_to_stop)
    asker.start()
    supervisor.watch()
    asker.join()
    assert condition()


def test_program_that_ends_at_once_fails_the_start_with_its_last_words(supervisor):
    supervisor.start([build("web", "raise SystemExit('no such table')", is_ready=lambda: False)])

    with pytest.raises(StartFailed, match=r"(?s)web ended while it was starting.*no such table"):
        supervisor.wait_until_ready(["web"], 20)


def test_program_that_never_answers_fails_the_start(supervisor):
    supervisor.start([build("web", QUIET, is_ready=lambda: False)])

    with pytest.raises(StartFailed, match="web did not answer within 0 s"):
        supervisor.wait_until_ready(["web"], 0.1)


def test_request_to_stop_ends_the_waiting(supervisor):
    supervisor.start([build("web", QUIET, is_ready=lambda: False)])
    supervisor.interruption.count = 1

    with pytest.raises(StopRequested):
        supervisor.wait_until_ready(["web"], 20)


def test_dead_program_is_started_again_with_a_visible_line(supervisor, said):
    supervisor.start([build("beat", QUIET)])
    first = get_pid(supervisor, "beat")
    os.kill(first, signal.SIGKILL)

    watch_until(supervisor, lambda: get_pid(supervisor, "beat") != first)

    assert said[0] == "beat ended (signal SIGKILL); restarting it."


def test_what_a_dead_program_left_is_killed(supervisor, tmp_path):
    script = (
        "import subprocess, sys, time, pathlib\n"
        f"child = subprocess.Popen([sys.executable, '-c', {QUIET!r}])\n"
        f"pathlib.Path({str(tmp_path / 'child')!r}).write_text(str(child.pid))\n"
        "time.sleep(600)"
    )
    supervisor.start([build("web", script)])
    wait_for(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text())
    child = int((tmp_path / "child").read_text())

    supervisor.stop([["web"]])

    wait_for(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie")


def test_errors_in_a_log_are_shown_and_the_rest_is_not(supervisor, said):
    script = f"print('INFO fine', flush=True); print('ERROR bad', flush=True); {QUIET}"
    supervisor.start([build("web", script)])

    watch_until(supervisor, lambda: bool(said))

    assert said == ["web: ERROR bad"]


def test_program_that_ignores_its_signal_is_killed_in_time(supervisor):
    script = f"import signal; signal.signal(15, signal.SIG_IGN); print('x', flush=True); {QUIET}"
    supervisor.start([build("web", script, stop_seconds=0.3)])
    log = supervisor.home / "log" / "web.log"
    wait_for(lambda: "x" in log.read_text())
    started = time.monotonic()

    supervisor.stop([["web"]])

    assert time.monotonic() - started < 10
    assert supervisor._children["web"].process.returncode == -signal.SIGKILL


def test_second_request_does_not_wait(supervisor):
    script = f"import signal; signal.signal(15, signal.SIG_IGN); print('x', flush=True); {QUIET}"
    supervisor.start([build("web", script, stop_seconds=600)])
    log = supervisor.home / "log" / "web.log"
    wait_for(lambda: "x" in log.read_text())
    supervisor.interruption.count = 1
    timer = threading.Timer(0.3, lambda: setattr(supervisor.interruption, "count", 2))
    timer.start()

    supervisor.stop([["web"]])

    timer.join()
    assert supervisor._children["web"].process.returncode == -signal.SIGKILL


def test_groups_stop_one_after_the_other(supervisor, tmp_path):
    order = tmp_path / "order"
    script = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        "    time.sleep(float(sys.argv[1]) if len(sys.argv) > 1 else 0)\n"
        f"    open({str(order)!r}, 'a').write(NAME); sys.exit()\n"
        "signal.signal(15, end); print('x', flush=True); time.sleep(600)"
    )
    slow = script.replace("NAME", "'slow '").replace(
        "float(sys.argv[1]) if len(sys.argv) > 1 else 0", "0.5"
    )
    supervisor.start([build("fast", script.replace("NAME", "'fast '")), build("slow", slow)])
    for name in ("fast", "slow"):
        log = supervisor.home / "log" / f"{name}.log"
        wait_for(lambda log=log: "x" in log.read_text())

    supervisor.stop([["slow"], ["fast"]])

    assert order.read_text() == "slow fast "


def test_next_start_stops_what_a_killed_supervisor_left(tmp_path):
    left = subprocess.Popen([sys.executable, "-c", QUIET], start_new_session=True)
    born = psutil.Process(left.pid).create_time()
    (tmp_path / "run").mkdir()
    record = tmp_path / "run" / "processes.json"
    record.write_text(json.dumps({"web": [left.pid, born, int(signal.SIGTERM)]}))

    stop_leftovers(tmp_path)

    assert not psutil.pid_exists(left.pid)
    assert not record.exists()
    left.poll()


def test_stranger_with_the_same_process_id_is_left_alone(tmp_path):
    stranger = subprocess.Popen([sys.executable, "-c", QUIET])
    (tmp_path / "run").mkdir()
    record = tmp_path / "run" / "processes.json"
    record.write_text(json.dumps({"web": [stranger.pid, 1.0, int(signal.SIGTERM)]}))

    stop_leftovers(tmp_path)

    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()
