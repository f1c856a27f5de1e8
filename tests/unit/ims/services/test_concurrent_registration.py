"""The uses of an initial access token are counted in the database, whoever comes at once."""

import threading

import pytest
from django.db import connection

from ims.checks.client_metadata import parse_client_metadata
from ims.models import Client
from ims.registration_limits import RegistrationLimits
from ims.services.provision_initial_access_token import provision_initial_access_token
from ims.services.register_client import register_client
from wire.oauth_errors import InvalidToken


@pytest.mark.django_db(transaction=True)
def test_last_use_goes_to_one_of_two():
    grant_types = ("client_credentials",)
    permission = provision_initial_access_token(label="x", grant_types=grant_types, uses_left=1)
    metadata = parse_client_metadata(
        {"grant_types": list(grant_types)}, limits=RegistrationLimits(grant_types)
    )
    start = threading.Barrier(2)
    refusals = []

    def attempt():
        start.wait()
        try:
            register_client(metadata=metadata, initial_access_token=permission.record)
        except InvalidToken as refusal:
            refusals.append(refusal)
        finally:
            connection.close()

    threads = [threading.Thread(target=attempt) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    permission.record.refresh_from_db()
    assert (len(refusals), Client.objects.count(), permission.record.uses_left) == (1, 1, 0)
