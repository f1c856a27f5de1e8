"""What every test has."""

import os

import pytest
from django.core.cache import cache

if os.environ.get("TOLLGATE_TEST_NATIVE"):  # `make test-native`
    from gateway import native_build

    native_build.use_here()


@pytest.fixture(autouse=True)
def _empty_cache():
    """Rate limits and cached answers of one test never reach the next."""
    from ims import throttle  # noqa: PLC0415 - models load after pytest-django has set up

    cache.clear()
    throttle.forget()


@pytest.fixture(autouse=True)
def _no_remembered_signing_key():
    """The signing key of one test is rolled back; the process must not go on signing with it."""
    from ims import keyring  # noqa: PLC0415 - models load after pytest-django has set up

    keyring.forget()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Let tests that commit clean up after themselves: they empty every table."""
    from django.db import connection  # noqa: PLC0415 - after pytest-django has set up

    with django_db_blocker.unblock(), connection.cursor() as cursor:
        for table in ("ims_auditevent", "ims_auditseal"):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER ims_audit_no_truncate")
