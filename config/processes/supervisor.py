"""Starts programs, waits until they work, restarts what dies, stops all in order."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final

import psutil

from config.processes import program
from config.processes.program import Program

_BACKOFF_SECONDS: Final = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)
_STEADY_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05
_WATCH_SECONDS: Final = 0.25
_IMPORTANT: Final = re.compile(rb"\b(ERROR|CRITICAL|FATAL|PANIC)\b")
_SHOWN_LINES: Final = 20


class StartFailed(Exception):
    """A program ended, or did not answer in time; the message names it and its log."""


class StopRequested(Exception):
    """Ctrl-C or SIGTERM came while something was being waited for."""


class Interruption:
    """Counts the requests to stop: the first is polite, the second is not."""

    def __init__(self) -> None:
        self.count = 0

    def install(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.count += 1

    def check(self) -> None:
        """Raise StopRequested once somebody asked."""
        if self.count:
            raise StopRequested


@dataclass
class _Child:
    program: Program
    process: subprocess.Popen[bytes]
    started: float
    log_offset: int
    failures: int = 0
    restart_at: float | None = None


@dataclass
class Supervisor:
    """The processes of one installation. All methods belong to the main thread."""

    home: Path
    say: Callable[[str], None]
    interruption: Interruption
    _children: dict[str, _Child] = field(default_factory=dict)

    def start(self, programs: Iterable[Program]) -> None:
        """Start `programs` without waiting for them."""
        for part in programs:
            log = self._log(part.name)
            offset = log.stat().st_size if log.exists() else 0
            process = program.start(part, self.home / "log")
            self._children[part.name] = _Child(part, process, time.monotonic(), offset)
        self._record()

    def wait_until_ready(self, names: Sequence[str], timeout_seconds: float) -> None:
        """Block until every one of `names` answers. Raises StartFailed, StopRequested."""
        deadline = time.monotonic() + timeout_seconds
        waiting = [self._children[name] for name in names]
        while waiting:
            self.interruption.check()
            for child in waiting:
                if child.process.poll() is not None:
                    raise StartFailed(self._explain(child, "ended while it was starting"))
            waiting = [child for child in waiting if not child.program.is_ready()]
            if waiting and time.monotonic() > deadline:
                late = f"did not answer within {timeout_seconds:.0f} s"
                raise StartFailed(self._explain(waiting[0], late))
            time.sleep(_POLL_SECONDS)

    def watch(self) -> None:
        """Block until a stop is requested; restart what dies, show what logs as an error."""
        while not self.interruption.count:
            for child in self._children.values():
                self._revive(child)
                self._show_important(child)
            time.sleep(_WATCH_SECONDS)

    def stop(self, order: Sequence[Sequence[str]]) -> None:
        """Stop the groups of `order` one after the other. A second request kills the rest."""
        polite = self.interruption.count
        for names in order:
            running = {
                name: (child.program, child.process)
                for name in names
                if (child := self._children.get(name)) is not None
            }
            program.stop(running, is_impatient=lambda: self.interruption.count > max(polite, 1))
        (self.home / "run" / "processes.json").unlink(missing_ok=True)

    def _revive(self, child: _Child) -> None:
        status = child.process.poll()
        now = time.monotonic()
        if status is None:
            return
        if child.restart_at is None:
            program.end_group(child.process)
            steady = now - child.started > _STEADY_SECONDS
            child.failures = 1 if steady else child.failures + 1
            delay = _BACKOFF_SECONDS[min(child.failures, len(_BACKOFF_SECONDS)) - 1]
            child.restart_at = now + delay
            self.say(f"{child.program.name} ended ({_describe(status)}); restarting it.")
        if now >= child.restart_at:
            child.process = program.start(child.program, self.home / "log")
            child.started, child.restart_at = now, None
            self._record()

    def _show_important(self, child: _Child) -> None:
        lines = [line for line in self._new_lines(child) if _IMPORTANT.search(line)]
        for line in lines[:_SHOWN_LINES]:
            self.say(f"{child.program.name}: {line.decode(errors='replace')}")
        if len(lines) > _SHOWN_LINES:
            self.say(f"{child.program.name}: … more in {self._log(child.program.name)}")

    def _new_lines(self, child: _Child) -> Iterator[bytes]:
        log = self._log(child.program.name)
        size = log.stat().st_size if log.exists() else 0
        if size < child.log_offset:
            child.log_offset = 0
        if size > child.log_offset:
            with log.open("rb") as file:
                file.seek(child.log_offset)
                complete, newline, _ = file.read().rpartition(b"\n")
            child.log_offset += len(complete) + len(newline)
            yield from complete.splitlines()

    def _explain(self, child: _Child, what: str) -> str:
        log = self._log(child.program.name)
        lines = [line.decode(errors="replace") for line in self._new_lines(child)]
        tail = "".join(f"\n    {line}" for line in lines[-12:])
        return f"{child.program.name} {what}. Its log is {log}:{tail}"

    def _log(self, name: str) -> Path:
        return self.home / "log" / f"{name}.log"

    def _record(self) -> None:
        rows = {
            name: [child.process.pid, _created(child.process.pid), int(child.program.stop_signal)]
            for name, child in self._children.items()
        }
        path = self.home / "run" / "processes.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(rows))


def stop_leftovers(home: Path) -> None:
    """Stop the children of a supervisor that was killed, where they are still running.

    On Linux they end by themselves; a process is known by its id and its time of birth, so
    that a stranger who got the id is left alone.
    """
    path = home / "run" / "processes.json"
    if not path.exists():
        return
    for pid, created, number in json.loads(path.read_text()).values():
        if created == 0 or _created(pid) != created:
            continue
        left = psutil.Process(pid)
        left.send_signal(number)
        try:
            left.wait(timeout=10)
        except psutil.TimeoutExpired:
            os.killpg(pid, signal.SIGKILL)
    path.unlink(missing_ok=True)


def _created(pid: int) -> float:
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return 0


def _describe(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit code {status}"
