from ams.metering.models.source import UsageSource
from ams.metering.models.usage import (
    Cause,
    DailyUsage,
    HourlyUsage,
    QuarantinedUsage,
    UsageBatchRecord,
)

__all__ = [
    "Cause",
    "DailyUsage",
    "HourlyUsage",
    "QuarantinedUsage",
    "UsageBatchRecord",
    "UsageSource",
]
