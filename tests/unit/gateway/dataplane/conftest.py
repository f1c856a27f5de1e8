import uuid

import pytest

from tests.unit.gateway.dataplane.limiter import Node


@pytest.fixture
async def nodes():
    pair = [Node("a"), Node("b")]
    yield pair
    for node in pair:
        await node.office.close()


@pytest.fixture
def subscription_id():
    return str(uuid.uuid4())
