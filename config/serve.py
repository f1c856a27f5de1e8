"""`manage.py serve`: all roles under one supervisor, or one role in this process's place.

Django is not imported here: the embedded servers must run, and their addresses be known,
before anything reads the settings.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Final

from config import env, local_ca
from config.embedded import servers
from config.embedded.postgres import ServerUnusable
from config.embedded.wheels import NoWheel
from config.first_run import first_call, stamp
from config.first_run.first_call import RoadBlocked
from config.first_run.quickstart import describe, read_quickstart
from config.processes import preflight, privileges, roles
from config.processes.installation import Installation, read_installation
from config.processes.preflight import NotReady
from config.processes.steps import Steps
from config.processes.supervisor import (
    Interruption,
    StartFailed,
    StopRequested,
    Supervisor,
    stop_leftovers,
)

_STEPS: Final = 9
_SERVER_SECONDS: Final = 60
_ROLE_SECONDS: Final = 120
_ROAD_SECONDS: Final = 30
# The gateway ends its calls first, while everything behind it still answers.
_STOP_ORDER: Final = (
    ("gateway",),
    ("web", "worker", "beat", "demo"),
    ("valkey",),
    ("postgres",),
)
_KNOWN: Final = (
    env.BadEnvironment,
    NotReady,
    NoWheel,
    ServerUnusable,
    StartFailed,
    RoadBlocked,
)


def main(arguments: Sequence[str]) -> int:
    """Run until asked to stop. The exit code is 1 when the start failed."""
    parser = argparse.ArgumentParser(prog="manage.py serve", description=__doc__)
    parser.add_argument("--role", choices=roles.ROLES, help="run this role only, unsupervised")
    role = parser.parse_args(arguments).role
    try:
        installation = read_installation()
        if role is not None:
            _become(role, installation)
        return _run_all(installation)
    except _KNOWN as error:
        _say(str(error))
        return 1


def _become(role: str, installation: Installation) -> None:
    """Replace this process: a container's first process gets the signals itself."""
    part = roles.build_role(role, installation)
    preflight.check_home(installation.home)
    part.before_start()
    os.chdir(env.BASE_DIR)
    os.execve(part.argv[0], part.argv, {**os.environ, **part.environ})  # noqa: S606 - our arguments


def _run_all(installation: Installation) -> int:
    if env.is_production():  # it would make a demo administrator
        raise NotReady(
            "TOLLGATE_MODE is production: start each role by itself with `manage.py serve --role`, "
            "as docs/operating.md says."
        )
    interruption = Interruption()
    interruption.install()
    steps = Steps(_STEPS)
    supervisor = Supervisor(installation.home, _say, interruption)
    with contextlib.ExitStack() as stack:
        stack.callback(_stop, supervisor)
        try:
            with steps.step("checking the ports and the data folder"):
                _check(installation, stack)
            _start(installation, supervisor, steps)
            _greet(installation)
            supervisor.watch()
        except StopRequested:
            pass
    return 0


def _check(installation: Installation, stack: contextlib.ExitStack) -> None:
    is_known = (installation.home / "run").is_dir()
    if is_known:
        # What a killed predecessor left running holds the very ports that are checked next.
        stack.enter_context(preflight.hold(installation.home))
        stop_leftovers(installation.home)
    preflight.check_ports(installation)
    preflight.check_home(installation.home)
    if not is_known:
        stack.enter_context(preflight.hold(installation.home))


def _start(installation: Installation, supervisor: Supervisor, steps: Steps) -> None:
    _start_servers(installation, supervisor, steps)
    with steps.step("making the gateway's certificate"):
        local_ca.ensure_gateway_certificate(installation.home / "tls")
    # Read by demo/tollgate.yaml.
    os.environ.setdefault("TOLLGATE_DEMO_URL", f"http://127.0.0.1:{installation.demo_port}")
    database_url = os.environ["DATABASE_URL"]
    is_current = stamp.is_current(installation, database_url)
    if is_current:
        steps.skip(2)
        with steps.step("keeping the data of the last run"):
            pass
    else:
        _run_command(supervisor.interruption, "prepare", str(steps.done), str(steps.total))
        steps.skip(3)
    names = (*roles.ROLES, "demo")
    with steps.step("starting web, gateway, worker, beat and the demo API"):
        supervisor.start(roles.build_role(name, installation) for name in names)
        supervisor.wait_until_ready(names, _ROLE_SECONDS)
    if is_current:
        steps.skip(1)
    else:
        with steps.step("seeding the demo"):
            _run_command(supervisor.interruption, "seed_demo")
            stamp.write(installation, database_url)
    with steps.step("calling the demo API through the gateway"):
        quickstart = read_quickstart(installation.quickstart_file)
        first_call.prove(quickstart, _ROAD_SECONDS, supervisor.interruption.check)


def _start_servers(installation: Installation, supervisor: Supervisor, steps: Steps) -> None:
    given = {name for name in ("DATABASE_URL", "REDIS_URL") if os.environ.get(name)}
    what = "reaching" if given else "starting"
    with steps.step(f"{what} PostgreSQL and Valkey"):
        if "DATABASE_URL" in given:
            preflight.check_database(os.environ["DATABASE_URL"])
        if "REDIS_URL" in given:
            preflight.check_redis(os.environ["REDIS_URL"])
        prepared = servers.prepare(installation.home, without=given)
        os.environ.update(prepared.environ)
        supervisor.start(prepared.programs)
        names = [program.name for program in prepared.programs]
        supervisor.wait_until_ready(names, _SERVER_SECONDS)


def _run_command(interruption: Interruption, *arguments: str) -> None:
    """Run a management command to its end; it prints for itself. Raises StartFailed."""
    process = subprocess.Popen(  # noqa: S603 - our arguments
        (sys.executable, "manage.py", *arguments),
        cwd=env.BASE_DIR,
        # Nothing else runs yet, and what it could not reach is tried again later.
        env={**os.environ, "TOLLGATE_LOG_LEVEL": os.environ.get("TOLLGATE_LOG_LEVEL", "ERROR")},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=privileges.prepare_child(signal.SIGTERM),  # noqa: PLW1509 - no threads here
    )
    try:
        while process.poll() is None:
            interruption.check()
            time.sleep(0.05)
    finally:
        process.terminate()
        process.wait()
    if process.returncode:
        raise StartFailed(f"`manage.py {arguments[0]}` failed; what it said is above.")


def _greet(installation: Installation) -> None:
    quickstart = read_quickstart(installation.quickstart_file)
    print(describe(quickstart, installation.quickstart_file))  # noqa: T201 - for people
    _say(f"Tollgate is ready (process {os.getpid()}; Ctrl-C stops it)")


def _stop(supervisor: Supervisor) -> None:
    if supervisor.interruption.count:
        _say("stopping; once more Ctrl-C to kill")
    supervisor.stop(_STOP_ORDER)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
