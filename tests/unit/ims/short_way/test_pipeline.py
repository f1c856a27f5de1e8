"""Statements in flight over one connection, and what becomes of them when something breaks."""

import asyncio
from urllib.parse import parse_qsl, urlsplit

import psycopg
import pytest
from psycopg.pq import Format

from config.embedded import servers
from ims.short_way import connection as pipelined
from ims.short_way.connection import PipelineLost, Statement
from ims.short_way.pipeline import Pipeline, read_parameters, read_row
from tests.unit.ims.short_way.asgi_call import connect

pytestmark = pytest.mark.django_db(transaction=True)
TEXT = (Format.TEXT,)
ECHO = Statement("test_echo", "SELECT $1::text, pg_backend_pid()", TEXT)
SLEEP = Statement("test_sleep", "SELECT pg_sleep($1::float8)::text, 1", TEXT)
DIVIDE = Statement("test_divide", "SELECT 1 / $1::int", TEXT)
KEEP = Statement("test_keep", "INSERT INTO auth_group (name) VALUES ($1)", TEXT)
MODE = Statement(
    "test_mode", "SELECT current_setting($1::text), current_setting('plan_cache_mode')", TEXT
)
STATEMENTS = (ECHO, SLEEP, DIVIDE, MODE)


@pytest.fixture
async def pipeline():
    """Return a pipeline of one connection."""
    one = Pipeline(STATEMENTS, count=1)
    await connect(one, count=1)
    yield one
    await one.stop()


async def echo(pipeline, text="here"):
    row = read_row(await pipeline.ask(ECHO, [text.encode()]))
    assert row is not None
    return row


async def test_each_gets_the_answer_to_its_own_question(pipeline):
    rows = await asyncio.gather(*(echo(pipeline, str(number)) for number in range(200)))

    assert [text for text, _ in rows] == [str(number) for number in range(200)]


async def test_many_are_asked_before_the_first_is_answered(pipeline):
    first = pipeline.ask(SLEEP, [b"0.3"])
    await asyncio.sleep(0.05)
    second = pipeline.ask(ECHO, [b"x"])

    assert await asyncio.wait({first, second}, return_when=asyncio.FIRST_COMPLETED)
    assert first.done()
    await second


async def test_answers_larger_than_the_sockets_buffers_arrive(pipeline):
    text = "x" * 3_000_000

    rows = await asyncio.gather(*(echo(pipeline, text) for _ in range(5)))

    assert {len(row[0]) for row in rows} == {len(text)}


async def test_whoever_leaves_takes_nobodys_answer(pipeline):
    leaving = asyncio.ensure_future(echo(pipeline, "left"))
    staying = asyncio.ensure_future(echo(pipeline, "stayed"))
    await asyncio.sleep(0)
    leaving.cancel()

    assert (await staying)[0] == "stayed"
    assert (await echo(pipeline, "later"))[0] == "later"


async def test_connection_lost_in_mid_flight_is_replaced(pipeline):
    _, pid = await echo(pipeline)
    waiting = pipeline.ask(SLEEP, [b"30"])
    await asyncio.sleep(0.05)

    await terminate(pid)

    with pytest.raises(PipelineLost):
        await waiting
    with pytest.raises(PipelineLost):  # at once: whoever asks has another way
        await pipeline.ask(ECHO, [b"x"])
    await connect(pipeline, count=1)
    assert (await echo(pipeline))[1] != pid


async def test_idle_connection_that_ends_is_replaced(pipeline):
    _, pid = await echo(pipeline)

    await terminate(pid)
    async with asyncio.timeout(10):
        while pipeline._live:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)

    await connect(pipeline, count=1)
    assert (await echo(pipeline))[1] != pid


async def terminate(pid):
    async with await psycopg.AsyncConnection.connect(**read_parameters()) as other:
        await other.execute("SELECT pg_terminate_backend(%s)", [pid])


async def test_error_fails_all_that_shared_its_transaction_and_no_one_later(pipeline):
    before, wrong, behind = (
        pipeline.ask(ECHO, [b"1"]),
        pipeline.ask(DIVIDE, [b"0"]),
        pipeline.ask(ECHO, [b"2"]),
    )

    results = await asyncio.gather(before, wrong, behind, return_exceptions=True)

    assert [type(result) for result in results] == [PipelineLost] * 3
    await connect(pipeline, count=1)
    assert (await echo(pipeline))[0] == "here"


async def test_what_failed_is_not_half_stored():
    pipeline = Pipeline((KEEP, DIVIDE), count=1)
    await connect(pipeline, count=1)
    stored, wrong = pipeline.ask(KEEP, [b"kept"]), pipeline.ask(DIVIDE, [b"0"])
    await asyncio.gather(stored, wrong, return_exceptions=True)
    await connect(pipeline, count=1)
    result = await pipeline.ask(KEEP, [b"alone"])
    await pipeline.stop()

    assert result.command_tuples == 1
    async with await psycopg.AsyncConnection.connect(**read_parameters()) as other:
        names = await (await other.execute("SELECT name FROM auth_group")).fetchall()
    assert names == [("alone",)]


async def test_database_that_says_nothing_is_given_up(pipeline, monkeypatch):
    monkeypatch.setattr(pipelined, "LONGEST_SILENCE_SECONDS", 0.2)

    async with asyncio.timeout(2.5):
        with pytest.raises(PipelineLost, match="no answer"):
            await pipeline.ask(SLEEP, [b"30"])


async def test_slow_statement_is_cancelled_by_the_database():
    pipeline = Pipeline((SLEEP, MODE), count=1)
    await connect(pipeline, count=1)

    row = read_row(await pipeline.ask(MODE, [b"statement_timeout"]))
    await pipeline.stop()

    assert row == ("3s", "force_generic_plan")


async def test_access_tokens_do_not_wait_for_the_disk(pipeline):
    """ADR-0012; nothing else is ever written here."""
    row = read_row(await pipeline.ask(MODE, [b"synchronous_commit"]))

    assert row is not None
    assert row[0] == "off"


async def test_too_many_are_sent_elsewhere(pipeline):
    waiting = [pipeline.ask(SLEEP, [b"0.2"])]
    waiting += [pipeline.ask(ECHO, [b"x"]) for _ in range(255)]

    with pytest.raises(PipelineLost):
        pipeline.ask(ECHO, [b"x"])
    await asyncio.gather(*waiting)


async def test_stop_leaves_nobody_waiting():
    pipeline = Pipeline(STATEMENTS, count=1)
    await connect(pipeline, count=1)
    waiting = pipeline.ask(SLEEP, [b"30"])

    await pipeline.stop()

    with pytest.raises(PipelineLost):
        await waiting


def test_server_that_restarts_is_found_again(tmp_path):
    """And another database than Django's default one is asked where one is named."""
    tmp_path.chmod(0o755)  # PostgreSQL runs as somebody else
    first = servers.start(tmp_path / "var", durable=False)
    where = as_parameters(first.database_url)

    async def restart():
        pipeline = Pipeline((ECHO,), count=1, parameters=lambda: where)
        await connect(pipeline, count=1)
        _, before = await echo(pipeline)
        await asyncio.to_thread(first.stop)
        with pytest.raises(PipelineLost):
            await pipeline.ask(ECHO, [b"x"])
        second = await asyncio.to_thread(servers.start, tmp_path / "var", durable=False)
        where.update(as_parameters(second.database_url))
        try:
            await connect(pipeline, count=1)
            return before, (await echo(pipeline))[1]
        finally:
            await pipeline.stop()
            await asyncio.to_thread(second.stop)

    before, after = asyncio.run(restart())
    assert before != after


def as_parameters(url):
    parts = urlsplit(url)
    named = {
        "dbname": parts.path.lstrip("/"),
        "user": parts.username,
        "password": parts.password,
        "host": parts.hostname,
        "port": parts.port,
    }
    return {name: value for name, value in named.items() if value} | dict(parse_qsl(parts.query))
