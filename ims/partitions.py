"""The token tables, which are partitioned by `expires_at`: how wide, how far ahead, how long kept.

A partition is dropped when everything in it is dead, so no table is ever swept by DELETE
(ADR-0012).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from ims import conf

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PartitionedTable:
    """One table. What expires later than `ahead` from now lands in the default partition.

    Few partitions, for a lookup by digest asks each that may hold a live row. `kept` is how long a
    row is still wanted when it has expired.
    """

    name: str
    width: timedelta
    ahead: timedelta
    kept: timedelta = timedelta()

    @property
    def default_partition(self) -> str:
        return f"{self.name}_default"

    def list_wanted(self, now: datetime) -> Iterator["Partition"]:
        """Return the partitions for rows that expire from now until `ahead`."""
        start = now - (now - _EPOCH) % self.width
        while start <= now + self.ahead:
            yield Partition(self, start)
            start += self.width

    def find_partition(self, name: str) -> "Partition | None":
        """Return the partition of that name, or None where it is not one of ours."""
        try:
            start = datetime.strptime(name, f"{self.name}_%Y%m%d%H").replace(tzinfo=UTC)
        except ValueError:
            return None
        return Partition(self, start)


@dataclass(frozen=True, slots=True)
class Partition:
    """Rows with `start` <= `expires_at` < `end`."""

    table: PartitionedTable
    start: datetime

    @property
    def name(self) -> str:
        return f"{self.table.name}_{self.start:%Y%m%d%H}"

    @property
    def end(self) -> datetime:
        return self.start + self.table.width

    def is_dead(self, now: datetime) -> bool:
        """Whether nobody has use for any of its rows."""
        return self.end + self.table.kept + _CLOCKS <= now


# Web processes on other machines may be this much behind.
_CLOCKS: Final = timedelta(minutes=5)
# Each reaches ahead by the longest life of its rows and by how long maintenance may be away.
TABLES: Final = (
    PartitionedTable(
        "ims_accesstoken",
        width=timedelta(hours=1),
        ahead=timedelta(hours=3, seconds=conf.ACCESS_TOKEN_TTL_SECONDS),
    ),
    PartitionedTable(
        "ims_refreshtoken",
        width=timedelta(days=7),
        ahead=timedelta(days=7, seconds=conf.REFRESH_TOKEN_TTL_SECONDS),
    ),
    PartitionedTable(
        "ims_authorizationcode",
        width=timedelta(days=1),
        ahead=timedelta(days=1, seconds=conf.AUTHORIZATION_CODE_TTL_SECONDS),
        kept=timedelta(seconds=conf.USED_CODE_MEMORY_SECONDS),
    ),
)
