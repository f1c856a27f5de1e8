"""Who sends many tokens that nobody issued is not asked about any more, for a while.

A well-formed token costs one question to the token service, whatever it is worth. Each address
(of IPv6 each /64) has a budget of such questions with the answer no; it fills again evenly over
a minute. Tokens that are known, good or bad, cost nothing and are served as ever.
"""

import math
from typing import Final

from gateway.dataplane.allowances import network_of
from gateway.dataplane.errors import TooManyInvalidTokens
from gateway.dataplane.recent import Recent

_SECONDS: Final = 60.0
_MOST_ADDRESSES: Final = 10_000
_DETAIL: Final = "Too many tokens from this address were not valid. Tokens in use are served."


class GuessingGuard:
    """The budgets of this worker."""

    def __init__(self, a_minute: int) -> None:
        self._a_minute = float(a_minute)
        # [what is left, when that was]
        self._budgets: Recent[str, list[float]] = Recent(_MOST_ADDRESSES)

    def check(self, address: str, now: float) -> None:
        """Raise TooManyInvalidTokens when nothing is left of the budget."""
        budget = self._budgets.get(network_of(address))
        if budget is not None and self._left(budget, now) < 1.0:
            wait = (1.0 - budget[0]) * _SECONDS / self._a_minute
            raise TooManyInvalidTokens(_DETAIL, math.ceil(wait))

    def note(self, address: str, now: float) -> None:
        """Take one from the budget: the token service said no."""
        network = network_of(address)
        budget = self._budgets.get(network)
        if budget is None:
            budget = [self._a_minute, now]
            self._budgets.put(network, budget)
        budget[0] = self._left(budget, now) - 1.0

    def _left(self, budget: list[float], now: float) -> float:
        filled = budget[0] + (now - budget[1]) * self._a_minute / _SECONDS
        budget[0], budget[1] = min(self._a_minute, filled), now
        return budget[0]
