from ams.metering.models.usage import DailyUsage, HourlyUsage, UsageBatchRecord

__all__ = ["DailyUsage", "HourlyUsage", "UsageBatchRecord"]
