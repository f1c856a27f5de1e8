"""What a usage batch may contain at most, so that no accepted batch can fail to fold."""

from typing import Final

from wire.usage_batch import MalformedBatch, UsageBatch, UsageRow

_TEXT_LENGTHS: Final = {
    "subscription_id": 64,
    "client_id": 255,
    "plan_id": 64,
    "api_id": 64,
    "operation_id": 128,
}
_NODE_LENGTH: Final = 128
# Counters of one minute of one worker; sums of millions of rows still fit 64 bits.
_COUNTER_MAXIMUM: Final = 10**12
_NUMBER_MAXIMA: Final = {
    "minute": 2**33,  # the year 2242: anything PostgreSQL can turn into a timestamp
    "status": 999,
    "calls": 10**9,
    "request_bytes": _COUNTER_MAXIMUM,
    "response_bytes": _COUNTER_MAXIMUM,
    "latency_ms": _COUNTER_MAXIMUM,
}


def check_limits(batch: UsageBatch) -> None:
    """Return when every member of `batch` can be stored. Raises MalformedBatch, naming it."""
    _check_text("node", batch.node, _NODE_LENGTH)
    for at, row in enumerate(batch.rows):
        _check_row(row, at)


def _check_row(row: UsageRow, at: int) -> None:
    for name, length in _TEXT_LENGTHS.items():
        _check_text(f"rows[{at}].{name}", getattr(row, name), length)
    for name, maximum in _NUMBER_MAXIMA.items():
        if getattr(row, name) > maximum:
            raise MalformedBatch(f"rows[{at}].{name}: at most {maximum} is possible.")


def _check_text(where: str, text: str, length: int) -> None:
    if len(text) > length:
        raise MalformedBatch(f"{where}: at most {length} characters are possible.")
    # PostgreSQL stores neither NUL nor a lone surrogate.
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise MalformedBatch(f"{where}: NUL and lone surrogates are not possible.")
