import pytest
from django.test import Client

from tests.compliance.cimd.publisher import publishing
from tests.factories import authorization as flow


@pytest.fixture(autouse=True)
def _private_addresses_may_be_asked(settings):
    settings.OUTBOUND_ALLOW_PRIVATE = True


@pytest.fixture
def publisher():
    with publishing() as running:
        running.publish()
        yield running


@pytest.fixture
def browser():
    flow.make_orders()
    return flow.sign_in(Client(), flow.make_person())
