"""Money in words: minor units and exact unit prices, by the exponent of the currency (ISO 4217)."""

from decimal import Decimal
from typing import Final

_EXPONENTS: Final = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND"), 0
    ),
    **dict.fromkeys(("VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
_SYMBOLS: Final = {"EUR": "€", "GBP": "£", "USD": "$", "JPY": "¥", "INR": "₹", "KRW": "₩"}
_MINUS: Final = "\N{MINUS SIGN}"
_NO_BREAK: Final = "\N{NO-BREAK SPACE}"


def format_minor(amount_minor: int, currency: str) -> str:
    """Return an amount in minor units as people read it: 123456 EUR is €1,234.56."""
    exponent = _EXPONENTS.get(currency, 2)
    amount = Decimal(amount_minor).scaleb(-exponent)
    return _with_currency(f"{abs(amount):,.{exponent}f}", currency, is_negative=amount < 0)


def format_unit_price(price: Decimal, currency: str) -> str:
    """Return an exact price in major units, never rounded: 0.0020000000 EUR is €0.002.

    At least as many decimals as the currency has, so 2 EUR is €2.00.
    """
    exponent = _EXPONENTS.get(currency, 2)
    digits = f"{abs(price):,f}"
    whole, _, decimals = digits.partition(".")
    decimals = decimals.rstrip("0").ljust(exponent, "0")
    text = f"{whole}.{decimals}" if decimals else whole
    return _with_currency(text, currency, is_negative=price < 0)


def _with_currency(text: str, currency: str, *, is_negative: bool) -> str:
    symbol = _SYMBOLS.get(currency) or f"{currency}{_NO_BREAK}"
    return f"{_MINUS if is_negative else ''}{symbol}{text}"
