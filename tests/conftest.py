"""What every test has."""

import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def _empty_cache():
    """Rate limits and cached answers of one test never reach the next."""
    cache.clear()
