"""ISO 4217: how many decimals the minor unit of a currency has, and rounding to it."""

from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact
from typing import Final

_DEFAULT_EXPONENT: Final = 2
_EXPONENTS: Final = {
    **dict.fromkeys(
        "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(),  # noqa: SIM905
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
# Wide enough for any 64-bit count times any stored price; a lost digit is an error, not a guess.
EXACT: Final = Context(prec=60, traps=[Inexact])
_ROUNDING: Final = Context(prec=60, rounding=ROUND_HALF_EVEN)


def get_exponent(currency: str) -> int:
    """Return the decimals of the minor unit: EUR 2, JPY 0, KWD 3."""
    return _EXPONENTS.get(currency.upper(), _DEFAULT_EXPONENT)


def round_to_minor(amount: Decimal, currency: str) -> int:
    """Return `amount` (major units) in whole minor units, half to even."""
    minor = EXACT.scaleb(amount, get_exponent(currency))
    return int(minor.quantize(Decimal(1), context=_ROUNDING))
