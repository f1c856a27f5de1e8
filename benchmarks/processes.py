"""Ports and child processes of a benchmark."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

SERVING_CORE, OTHER_CORE = 0, 1


def free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 on which nothing listens now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextmanager
def serve(
    command: Sequence[str], *, port: int, environ: Mapping[str, str], log: Path
) -> Iterator[int]:
    """Run `command` on the serving core until the block ends; yield its pid once it listens."""
    pinned = ["taskset", "-c", str(SERVING_CORE), *command]
    with log.open("a") as file:
        process = subprocess.Popen(pinned, env=os.environ | environ, stdout=file, stderr=file)
    try:
        wait_for(port, process)
        yield process.pid
    except RuntimeError:
        sys.stderr.write(log.read_text()[-4000:])
        raise
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def run(command: Sequence[str], environ: Mapping[str, str]) -> str:
    """Return what `command` prints; raise CalledProcessError, with its errors shown, otherwise."""
    return subprocess.run(
        command, env=os.environ | environ, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def pin(pids: Sequence[int], core: int) -> None:
    """Keep `pids`, and what they will start, on `core`."""
    for pid in pids:
        with suppress(ProcessLookupError):  # it ended while we looked
            os.sched_setaffinity(pid, {core})


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return when something listens on `port`. Raises RuntimeError when nothing comes of it."""
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"{process.args} ended with {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"nothing listens on {port}")
