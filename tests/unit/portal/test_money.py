from decimal import Decimal

import pytest

from portal.money import format_minor, format_unit_price


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (123456, "EUR", "€1,234.56"),
        (5, "USD", "$0.05"),
        (0, "GBP", "£0.00"),
        (-300, "EUR", "\N{MINUS SIGN}€3.00"),
        (1500, "JPY", "¥1,500"),
        (1234, "KWD", "KWD\N{NO-BREAK SPACE}1.234"),
        (2**53 + 1, "EUR", "€90,071,992,547,409.93"),
    ],
)
def test_minor_units_follow_the_exponent_of_the_currency(amount, currency, text):
    assert format_minor(amount, currency) == text


@pytest.mark.parametrize(
    ("price", "currency", "text"),
    [
        ("0.0020000000", "EUR", "€0.002"),
        ("2", "EUR", "€2.00"),
        ("1234.5", "USD", "$1,234.50"),
        ("0.0000000001", "EUR", "€0.0000000001"),
        ("3", "JPY", "¥3"),
        ("0.25", "JPY", "¥0.25"),
    ],
)
def test_unit_price_is_exact(price, currency, text):
    assert format_unit_price(Decimal(price), currency) == text
