"""What the calls of one worker share."""

import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Protocol

from gateway.counters import INDEX, Counters
from gateway.dataplane.call import Call
from gateway.dataplane.exchange import Exchange
from gateway.dataplane.trusted_hops import TrustedHops
from gateway.dataplane.tunnels import Tunnels
from gateway.dataplane.usage_journal import MeterKey
from gateway.series import Series
from gateway.usage.sent_file import SentFile

if TYPE_CHECKING:
    from gateway.dataplane.configuration import Configuration

_HITS: Final = INDEX["token_cache_hits"]
_LOW_DIGITS: Final = [b"%02x" % low for low in range(256)]


class Journal(Protocol):
    """Where usage is written."""

    @property
    def sent_file(self) -> SentFile:
        """What last bytes are sent by; marks are of it."""

    def record(
        self,
        key: MeterKey,
        outcome: int,
        *,
        request_bytes: int,
        response_bytes: int,
        latency_ms: int,
        now: float,
        mark: int = 0,
    ) -> None:
        """Count one call; `outcome` is status and cause, `now` Unix time.

        With a `mark`, only if that is reached, until `settle` or `take_back` says so.
        """

    def settle(self) -> None:
        """Let the call that was counted last count, whatever the mark."""

    def take_back(self) -> None:
        """Undo the last `record`, which had a mark and is not settled."""


class AccessLog(Protocol):
    """Who wants to know of each call."""

    def write(self, call: Call, seconds: float, unix_now: float) -> None:
        """Take note of a finished call; never waits."""


class Sample(Protocol):
    """Who shows some calls to those that made them."""

    def note(self, call: Call, seconds: float, unix_now: float) -> None:
        """Take note of a finished call, or not; never waits."""


class Plane:
    """The parts that stages use, and the configuration of the moment."""

    def __init__(
        self,
        *,
        exchange: Exchange,
        journal: Journal,
        counters: Counters,
        hosts: Iterable[str],
        any_token_format: bool = False,
        access_log: AccessLog | None = None,
        hops: TrustedHops | None = None,
        series: Series | None = None,
    ) -> None:
        self.exchange = exchange
        self.journal = journal
        self.counters = counters
        self.hosts = frozenset(hosts)
        self.any_token_format = any_token_format
        self.access_log = access_log
        self.hops = hops or TrustedHops()
        self.has_hops = bool(self.hops)
        self.series = series or Series()
        self.sample: Sample | None = None
        self.keeps_times = access_log is not None  # or a tracer: when upstreams were asked
        self.configuration: Configuration | None = None
        self.in_flight: set[Call] = set()
        self.leaving: set[Call] = set()  # their last bytes wait for the client to take them
        self.good_hosts: set[bytes] = set()  # Host values that passed before, port and all
        self.tunnels = Tunnels()
        self._cells = counters.cells
        self._request_id_prefix = secrets.token_hex(8).encode()
        self._request_number = 0
        self._request_id_start = self._start_of_request_ids(0)

    def next_request_id(self) -> bytes:
        """Return an id that no other request of the installation has."""
        number = self._request_number = self._request_number + 1
        low = number & 0xFF
        if not low:
            self._request_id_start = self._start_of_request_ids(number)
        return self._request_id_start + _LOW_DIGITS[low]

    def _start_of_request_ids(self, number: int) -> bytes:
        """Return all but the last two digits, which 256 ids share."""
        return b"%b%06x" % (self._request_id_prefix, number >> 8)

    def count_hit(self) -> None:
        self._cells[_HITS] += 1

    def count_refused(self, is_quota: bool) -> None:  # noqa: FBT001 - one of two counters
        self.counters.add("quota_refused" if is_quota else "rate_limited")
