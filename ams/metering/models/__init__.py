from ams.metering.models.usage import (
    DailyUsage,
    HourlyUsage,
    QuarantinedUsage,
    UsageBatchRecord,
)

__all__ = ["DailyUsage", "HourlyUsage", "QuarantinedUsage", "UsageBatchRecord"]
