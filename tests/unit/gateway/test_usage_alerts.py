from types import SimpleNamespace

from gateway import counters, metrics
from gateway.usage.alerts import UsageAlerts


def make_sources():
    journal = SimpleNamespace(calls_lost=3, memory_fallbacks=1)
    shipper = SimpleNamespace(
        send_failures=5,
        batches_rejected=2,
        segments_discarded=4,
        report_failures=6,
        spool_bytes=262144,
        reconciled_minute=1_700_000_040,
        lag_seconds=lambda: 12.7,
    )
    return journal, shipper


def test_every_alert_is_in_the_metrics():
    cells = counters.private_counters()

    UsageAlerts(*make_sources(), cells).export()

    page = list(metrics.render_named([cells.cells], [cells.cells]))
    for line in (
        "tollgate_gateway_usage_calls_lost_total 3",
        "tollgate_gateway_usage_memory_fallbacks_total 1",
        "tollgate_gateway_usage_send_failures_total 5",
        "tollgate_gateway_usage_batches_rejected_total 2",
        "tollgate_gateway_usage_segments_discarded_total 4",
        "tollgate_gateway_usage_report_failures_total 6",
        "tollgate_gateway_usage_spool_bytes 262144",
        "tollgate_gateway_usage_lag_seconds 12",
        "tollgate_gateway_usage_reconciled_minute 1700000040",
    ):
        assert line in page


def test_an_event_is_counted_once_and_outlives_the_worker():
    cells = counters.private_counters()
    journal, shipper = make_sources()
    alerts = UsageAlerts(journal, shipper, cells)
    alerts.export()
    journal.calls_lost += 1
    alerts.export()
    alerts.export()

    started_anew = UsageAlerts(*make_sources(), cells)
    started_anew.export()

    assert cells.read("usage_calls_lost") == 4 + 3


def test_workers_share_one_spool():
    workers = [counters.private_counters() for _ in range(2)]
    for cells in workers:
        UsageAlerts(*make_sources(), cells).export()

    cells = [worker.cells for worker in workers]
    page = list(metrics.render_named(cells, cells))

    assert "tollgate_gateway_usage_spool_bytes 262144" in page
