import pytest
from rest_framework.test import APIClient


@pytest.fixture
def manager(token_service):
    """A client of the management API whose token may manage."""
    token_service.grant(
        "manager-token",
        scope="manage other",
        aud=f"{token_service.issuer}/api",
        client_id="cli",
        sub="cli",
    )
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION="Bearer manager-token")
    return client
