import pytest

from ams import ims_client
from tests.unit.ams.token_service import CLIENT_SECRET, serve_token_service


@pytest.fixture
def token_service(settings, monkeypatch):
    """A fake of the token service behind real HTTP, which the settings name as the issuer."""
    monkeypatch.setenv("TOLLGATE_AMS_CLIENT_SECRET", CLIENT_SECRET)
    with serve_token_service() as service:
        settings.ISSUER = service.issuer
        yield service
        ims_client.get_ims_client().http.close()
        ims_client._client_of.cache_clear()
