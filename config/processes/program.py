"""One child process: what it is, starting it, stopping it."""

import contextlib
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from config import env
from config.processes import privileges

_LOG_LIMIT_BYTES: Final = 5_000_000
_POLL_SECONDS: Final = 0.02


def _nothing() -> None:
    return


@dataclass(frozen=True)
class Program:
    """What to run. `given` is written to its standard input: secrets stay out of `ps`."""

    name: str
    argv: tuple[str, ...]
    is_ready: Callable[[], bool]
    environ: Mapping[str, str] = field(default_factory=dict)
    given: bytes = b""
    run_as: pwd.struct_passwd | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 15.0
    before_start: Callable[[], None] = _nothing


def start(program: Program, log_dir: Path) -> subprocess.Popen[bytes]:
    """Return the running process, a session of its own, writing to `<log_dir>/<name>.log`.

    Call from the main thread: the process dies with the thread that started it.
    """
    program.before_start()
    with open_log(log_dir / f"{program.name}.log") as log:
        process = subprocess.Popen(  # noqa: S603 - the arguments are ours
            program.argv,
            cwd=env.BASE_DIR,
            env={**os.environ, **program.environ},
            stdin=subprocess.PIPE if program.given else subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C in the terminal reaches the supervisor alone
            preexec_fn=privileges.prepare_child(  # noqa: PLW1509 - no thread holds a lock here
                program.stop_signal, program.run_as
            ),
        )
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError), process.stdin:
            process.stdin.write(program.given)
    return process


def stop(
    processes: Mapping[str, tuple[Program, subprocess.Popen[bytes]]],
    *,
    is_impatient: Callable[[], bool] = lambda: False,
) -> None:
    """Stop some processes at the same time and wait for them.

    What outlives its `stop_seconds` is killed, and everything once `is_impatient`.
    """
    started = time.monotonic()
    for program, process in processes.values():
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(program.stop_signal)
    for program, process in processes.values():
        while process.poll() is None and not is_impatient():
            if time.monotonic() - started > program.stop_seconds:
                break
            time.sleep(_POLL_SECONDS)
        end_group(process)
        process.wait()


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of a process and of what it started, also when it ended by itself."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def open_log(path: Path) -> BinaryIO:
    """Return the log, opened for appending; a log that grew too long moves to `<name>.log.1`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > _LOG_LIMIT_BYTES:
        path.replace(path.with_name(path.name + ".1"))
    return path.open("ab")
