import json

import pytest

from config.first_run.own_portal import register_own_portal
from ims.models import Client
from portal import ims_client
from tests.unit.portal.test_token_service_contract import ours  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _token_service(ours, settings, tmp_path, monkeypatch):  # noqa: F811
    service, token = ours
    settings.SECRETS_DIR = tmp_path
    permission = tmp_path / "portal-initial-access-token.json"
    permission.write_text(json.dumps({"initial_access_token": token}))
    monkeypatch.setattr(ims_client, "get_token_service", lambda: service)


def find_record():
    return Client.objects.get(client_id=register_own_portal().client_id)


def test_new_portal_asks_nobody_for_consent():
    assert find_record().is_first_party is True


def test_what_an_administrator_decided_since_stays():
    portal = find_record()
    portal.is_first_party = False
    portal.save()

    assert find_record() == portal
    assert find_record().is_first_party is False
