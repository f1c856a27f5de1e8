import pytest

from tests.unit.gateway.harness import Harness
from tests.unit.gateway.raw_upstream import run_raw_upstream


@pytest.fixture
async def upstream():
    async with run_raw_upstream() as running:
        yield running


@pytest.fixture
async def gateway(upstream):
    harness = Harness(upstream.url)
    harness.configure()
    yield harness
    await harness.upstreams.close()
