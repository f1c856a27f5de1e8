import re

import pytest

from gateway import counters, metrics, series
from gateway.counters import NO_SERIES, claim_counters, private_counters
from gateway.series import OTHER, Series, read_labels
from gateway.target_report import TargetReport
from tests.unit.gateway.harness import Harness, wait_until
from wire.gateway_snapshot import HealthCheck, Operation, Target

SAMPLE = re.compile(
    r'(?P<name>[a-z_]+)(\{(?P<labels>[a-z_]+="(?:[^"\\\n]|\\.)*"(,[a-z_]+="(?:[^"\\\n]|\\.)*")*)\})?'
    r" (?P<value>[0-9.e+-]+)"
)


def samples(page):
    """The samples of a page in text format 0.0.4: described, each name in one piece."""
    found, described, current = {}, set(), ""
    for line in page.splitlines():
        if line.startswith("# TYPE "):
            current = line.split()[2]
            assert current not in described, "a name is described once"
            described.add(current)
            continue
        if line.startswith("# HELP "):
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        assert match["name"] in {current, *(current + s for s in ("_bucket", "_sum", "_count"))}
        key = match["name"].removeprefix("tollgate_gateway_"), match["labels"] or ""
        assert key not in found, "a sample is there once"
        found[key] = float(match["value"])
    return found


@pytest.fixture
async def worker(tmp_path, upstream):
    """A gateway whose numbers are where a worker keeps them."""
    harness = Harness(upstream.url)
    harness.plane.counters = harness.counters = claim_counters(tmp_path)
    harness.plane.series = Series(tmp_path / f"labels-{harness.counters.slot}")
    harness.configure(
        Operation("get", "GET", "/orders/{id}", ("orders:read",)),
        Operation("create", "POST", "/orders", ("orders:read",)),
    )
    yield harness
    await harness.upstreams.close()


async def test_calls_are_counted_by_operation_and_status(worker, tmp_path):
    token = worker.authority.issue()
    for _ in range(3):
        await worker.call(token=token)
    await worker.call()
    await worker.call("/nowhere", token=token)

    read = samples(metrics.render(tmp_path))

    get = 'api="orders",operation="get"'
    assert read["operation_calls_total", f'{get},status="200"'] == 3
    assert read["operation_calls_total", f'{get},status="401"'] == 1
    assert read["operation_calls_total", 'api="",operation="",status="404"'] == 1
    assert read["operation_seconds_count", get] == 4
    assert read["operation_seconds_bucket", f'{get},le="+Inf"'] == 4
    assert read["call_seconds_count", ""] == 5
    assert read["call_seconds_sum", ""] > 0
    assert (read["calls_total", 'status="200"'], read["calls_total", 'status="404"']) == (3, 1)


async def test_operation_that_is_not_called_has_no_series(worker, tmp_path):
    await worker.call(token=worker.authority.issue())

    assert "create" not in metrics.render(tmp_path)


async def test_new_snapshot_goes_on_in_the_same_series(worker, tmp_path):
    token = worker.authority.issue()
    await worker.call(token=token)
    worker.configure(Operation("get", "GET", "/orders/{id}"), max_body_bytes=7)
    await worker.call(token=token)

    read = samples(metrics.render(tmp_path))

    assert read["operation_calls_total", 'api="orders",operation="get",status="200"'] == 2


def test_worker_that_is_started_anew_goes_on_in_the_series_of_its_slot(tmp_path):
    path = tmp_path / "labels-0"
    before = Series(path)
    one, other = before.claim("orders", "a"), before.claim("orders", "b")
    with path.open("ab") as file:
        file.write(b'["orders","c"]')  # killed before the end of the line

    after = Series(path)

    assert (after.claim("orders", "b"), after.claim("orders", "a")) == (other, one)
    assert after.claim("orders", "d") != after.claim("orders", "c") != one


def test_workers_are_added_up_although_their_series_have_other_numbers(tmp_path):
    for slot, names in enumerate((("a", "b"), ("b", "a"))):
        cells = claim_counters(tmp_path)
        labels = Series(tmp_path / f"labels-{slot}")
        for count, name in enumerate(names, 1):
            for _ in range(count):
                cells.observe(labels.claim("api", name), 200, 700, 0, 0)

    read = samples(metrics.render(tmp_path))

    assert read["operation_calls_total", 'api="api",operation="a",status="200"'] == 3
    assert read["operation_seconds_bucket", 'api="api",operation="b",le="0.001"'] == 3
    assert read["operation_seconds_bucket", 'api="api",operation="b",le="0.0005"'] == 0


def test_number_of_series_is_bounded(monkeypatch):
    monkeypatch.setattr(series, "_MOST_OPERATIONS", 3)
    monkeypatch.setattr(series, "MOST_SERIES", 8)
    many = Series()

    found = {(a, o): many.claim(a, o) for a in "abcdefgh" for o in "xyz"}

    assert len(set(found.values())) <= 7
    assert found["b", "x"] == found["b", "y"] == many.claim("b", OTHER)
    assert found["h", "x"] == found["g", "z"] == many.claim(OTHER, OTHER)
    assert NO_SERIES not in found.values()


def test_last_series_is_inside_the_file():
    cells = private_counters()
    number = counters.MOST_SERIES - 1

    cells.observe(counters.series_cells(number), 504, 10**9, 1, 1)

    read = counters.read_series(cells.cells, number)
    assert (read.statuses, read.buckets[-1], read.microseconds) == ({504: 1}, 1, 10**9)


def test_status_that_is_rare_is_counted_with_its_class():
    cells = private_counters()
    for status in (418, 451, 299, 599, 404):
        cells.observe(NO_SERIES, status, 0, 0, 0)

    assert counters.read_series(cells.cells, 0).statuses == {200: 1, 400: 2, 404: 1, 500: 1}


def test_names_are_escaped(tmp_path):
    claim_counters(tmp_path).observe(
        Series(tmp_path / "labels-0").claim('a"\\', "b\nc"), 200, 0, 0, 0
    )

    read = samples(metrics.render(tmp_path))

    assert read["operation_calls_total", r'api="a\"\\",operation="b\nc",status="200"'] == 1


async def test_targets_and_their_health_are_shown(tmp_path, upstream):
    cells = claim_counters(tmp_path)
    upstream.answer = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
    harness = Harness(
        upstream.url,
        targets=(Target(upstream.url), Target("http://127.0.0.1:1")),
        health=HealthCheck("/up", interval_seconds=0.05, timeout_seconds=0.05, unhealthy_after=1),
    )
    harness.configure()
    ((_, group),) = harness.upstreams.groups()
    await wait_until(lambda: not any(target.is_up for target in group.targets))

    TargetReport(harness.upstreams, tmp_path / f"targets-{cells.slot}").export()

    read = samples(metrics.render(tmp_path))
    label = f'upstream="orders",target="127.0.0.1:{upstream.port}"'
    assert read["target_up", label] == 0
    assert read["target_ejections_total", label] == 0
    await harness.upstreams.close()


def test_alerts_say_what_to_look_at(tmp_path):
    cells = claim_counters(tmp_path)
    cells.set("feed_lost_seconds", 11)
    cells.set("credentials_refused", 1)

    read = samples(metrics.render(tmp_path))

    assert read["alert", 'alert="feed_lost"'] == 1
    assert read["alert", 'alert="credentials_refused"'] == 1
    assert read["alert", 'alert="authority_away"'] == 0
    assert read["alert", 'alert="limits_degraded"'] == 0
    assert read["alert", 'alert="no_configuration"'] == 1


def test_worker_that_ended_counts_and_is_no_longer_a_state(tmp_path):
    ended = private_counters()
    ended.set("snapshot_version", 3)
    ended.set("calls_in_flight", 4)
    ended.add("rate_limited", 5)
    (tmp_path / "worker-7").write_bytes(ended.cells)
    living = claim_counters(tmp_path)
    living.set("snapshot_version", 9)
    living.add("rate_limited", 1)

    read = samples(metrics.render(tmp_path))

    assert (read["snapshot_version", ""], read["calls_in_flight", ""]) == (9, 0)
    assert read["rate_limited_total", ""] == 6


def test_labels_that_cannot_be_written_cost_no_call(tmp_path, monkeypatch):
    labels = Series(tmp_path / "labels-0")
    monkeypatch.setattr(series.os, "write", lambda *_: (_ for _ in ()).throw(OSError("full")))

    assert labels.claim("a", "b") == NO_SERIES
    assert read_labels(tmp_path / "labels-0") == []
