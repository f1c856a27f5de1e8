"""What every test has."""

import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def _empty_cache():
    """Rate limits and cached answers of one test never reach the next."""
    cache.clear()


@pytest.fixture(autouse=True)
def _no_remembered_signing_key():
    """The signing key of one test is rolled back; the process must not go on signing with it."""
    from ims import keyring  # noqa: PLC0415 - models load after pytest-django has set up

    keyring.forget()
