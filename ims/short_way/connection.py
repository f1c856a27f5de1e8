"""One connection to PostgreSQL in libpq's pipeline mode, driven by the event loop.

What is asked within one turn of the loop goes out in one write and is one implicit transaction,
committed by the Sync at its end. Answers are given out only behind that Sync: until then nothing
is committed.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg.pq import DiagnosticField, ExecStatus, Format
from psycopg.pq.abc import PGconn, PGresult

Value = bytes | None
Connection = psycopg.AsyncConnection[Any]
Answers = list["asyncio.Future[PGresult]"]

# A database that says nothing for so long is gone, or as good as gone for whoever waits.
LONGEST_SILENCE_SECONDS: Final = 5.0
_PEACEFUL: Final = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)


class PipelineLost(Exception):
    """The statement was not answered: it may have been committed, or not."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that each connection prepares once, with PostgreSQL's own placeholders ($1).

    `formats` says of each value whether it is sent as text or in binary; results come in binary.
    """

    name: str
    sql: str
    formats: tuple[Format, ...]

    @property
    def preparation(self) -> str:
        """The SQL that makes it known to a connection."""
        return f"PREPARE {self.name} AS {self.sql}"


class PipelinedConnection:
    """Sends statements without waiting for the answers to those before.

    Whatever goes wrong, an error of one statement included, ends the connection: all who wait get
    PipelineLost, and `on_lost` is called once with the reason.
    """

    def __init__(self, connection: Connection, on_lost: Callable[[Exception], None]) -> None:
        self.waiting = 0
        self._is_over = False
        self._connection = connection  # it closes the pgconn when it goes
        self._pgconn: PGconn = connection.pgconn
        self._on_lost = on_lost
        self._open: Answers = []
        self._sent: deque[Answers] = deque()
        self._results: list[PGresult] = []
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()
        self._socket = self._pgconn.socket
        self._pgconn.nonblocking = 1
        self._pgconn.enter_pipeline_mode()
        self._loop.add_reader(self._socket, self._read)
        self._watch = self._loop.call_later(1, self._check_silence)

    def ask(self, statement: Statement, values: Sequence[Value]) -> "asyncio.Future[PGresult]":
        """Return the future of the result. Raises PipelineLost, and so may the future."""
        if self._is_over:
            raise PipelineLost("lost a moment ago")
        answer: asyncio.Future[PGresult] = self._loop.create_future()
        if not self._open:
            self._loop.call_soon(self._send)
        self._open.append(answer)
        self.waiting += 1
        try:
            self._pgconn.send_query_prepared(
                statement.name.encode(), values, statement.formats, Format.BINARY
            )
        except psycopg.Error as error:
            self._lose(error)
        return answer

    def close(self) -> None:
        """End the connection; whoever waits still gets PipelineLost."""
        if not self._is_over:
            self._end(PipelineLost("closed"))

    def _send(self) -> None:
        if self._is_over:
            return
        if not self._sent:
            self._heard_at = self._loop.time()
        self._sent.append(self._open)
        self._open = []
        try:
            self._pgconn.pipeline_sync()
            self._flush()
        except psycopg.Error as error:
            self._lose(error)

    def _flush(self) -> None:
        """Write what the socket takes, and the rest when it takes more."""
        if self._pgconn.flush():
            self._loop.add_writer(self._socket, self._flush_more)

    def _flush_more(self) -> None:
        try:
            if not self._pgconn.flush():
                self._loop.remove_writer(self._socket)
        except psycopg.Error as error:
            self._lose(error)

    def _read(self) -> None:
        try:
            self._pgconn.consume_input()
            self._take_results()
        except psycopg.Error as error:
            self._lose(error)

    def _take_results(self) -> None:
        """Collect what has arrived; a Sync makes it valid."""
        pgconn, was_end = self._pgconn, False
        self._heard_at = self._loop.time()
        while not pgconn.is_busy():
            result = pgconn.get_result()
            if result is None:
                if was_end:
                    return  # one ends each statement, two say that no more is here
                was_end = True
                continue
            was_end = False
            status = result.status
            if status in _PEACEFUL:
                self._results.append(result)
            elif status == ExecStatus.PIPELINE_SYNC:
                self._deliver()
            else:
                raise psycopg.DatabaseError(_read_reason(result))

    def _deliver(self) -> None:
        answers, results = self._sent.popleft(), self._results
        self._results = []
        if len(answers) != len(results):
            raise psycopg.InternalError("as many results as statements were expected")
        self.waiting -= len(answers)
        for answer, result in zip(answers, results, strict=True):
            if not answer.done():  # whoever asked may have left
                answer.set_result(result)

    def _check_silence(self) -> None:
        self._watch = self._loop.call_later(1, self._check_silence)
        if self._sent and self._loop.time() - self._heard_at > LONGEST_SILENCE_SECONDS:
            self._lose(TimeoutError(f"no answer in {LONGEST_SILENCE_SECONDS:.0f} s"))

    def _lose(self, reason: Exception) -> None:
        if not self._is_over:
            self._end(reason)
            self._on_lost(reason)

    def _end(self, reason: Exception) -> None:
        self._is_over = True
        self._watch.cancel()
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._pgconn.finish()
        for answer in (*(answer for sent in self._sent for answer in sent), *self._open):
            if not answer.done():
                answer.set_exception(PipelineLost(str(reason)))
                answer.exception()
        self._sent.clear()
        self._open = []
        self.waiting = 0


def _read_reason(result: PGresult) -> str:
    """Return what went wrong, without the values that it went wrong with."""
    reason = result.error_field(DiagnosticField.MESSAGE_PRIMARY)
    return reason.decode("utf-8", "replace") if reason else "a statement before it failed"
