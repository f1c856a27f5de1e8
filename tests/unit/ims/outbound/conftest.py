import pytest


@pytest.fixture
def private_allowed(settings):
    """Servers on loopback may be asked, as in development."""
    settings.OUTBOUND_ALLOW_PRIVATE = True
