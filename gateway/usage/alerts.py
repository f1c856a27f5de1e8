"""What an operator must hear of when usage does not get through: see `/-/metrics`."""

from typing import Protocol

from gateway.counters import Counters


class Journal(Protocol):
    """The journal of this worker."""

    calls_lost: int
    memory_fallbacks: int


class Shipper(Protocol):
    """The shipper of this worker."""

    send_failures: int
    batches_rejected: int
    segments_discarded: int
    report_failures: int
    spool_bytes: int
    reconciled_minute: int

    def lag_seconds(self) -> float:
        """Return for how long something counted has not been shipped."""


class UsageAlerts:
    """Carries the sums of journal and shipper over to the worker's counters.

    Only what is new is added: the cells outlive the process, the sums do not.
    """

    def __init__(self, journal: Journal, shipper: Shipper, counters: Counters) -> None:
        self._journal = journal
        self._shipper = shipper
        self._counters = counters
        self._told: dict[str, int] = {}

    def export(self) -> None:
        """Bring the counters up to date; called every second or so."""
        journal, shipper = self._journal, self._shipper
        self._tell("usage_calls_lost", journal.calls_lost)
        self._tell("usage_memory_fallbacks", journal.memory_fallbacks)
        self._tell("usage_send_failures", shipper.send_failures)
        self._tell("usage_batches_rejected", shipper.batches_rejected)
        self._tell("usage_segments_discarded", shipper.segments_discarded)
        self._tell("usage_report_failures", shipper.report_failures)
        self._counters.set("usage_spool_bytes", shipper.spool_bytes)
        self._counters.set("usage_lag_seconds", int(shipper.lag_seconds()))
        self._counters.set("usage_reconciled_minute", shipper.reconciled_minute)

    def _tell(self, name: str, total: int) -> None:
        self._counters.add(name, total - self._told.get(name, 0))
        self._told[name] = total
