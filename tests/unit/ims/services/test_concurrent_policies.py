"""Bounds of a policy under clients that come at once."""

import threading

import pytest
from django.db import connection

from ims.checks.client_metadata import parse_client_metadata
from ims.errors import RegistrationClosed
from ims.models import Client, RegistrationPolicy
from ims.registration_limits import RegistrationLimits
from ims.services.register_client import register_client

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE = 8


def test_the_last_place_is_given_once():
    policy = RegistrationPolicy.objects.create(name="small", most_clients=1)
    grants = ("client_credentials",)
    metadata = parse_client_metadata(
        {"grant_types": list(grants)}, limits=RegistrationLimits(grants)
    )
    barrier, outcomes = threading.Barrier(AT_ONCE), []

    def register():
        try:
            barrier.wait(20)
            register_client(metadata=metadata, policy=policy)
            outcomes.append("in")
        except RegistrationClosed:
            outcomes.append("closed")
        finally:
            connection.close()

    threads = [threading.Thread(target=register) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(outcomes) == ["closed"] * (AT_ONCE - 1) + ["in"]
    assert Client.objects.count() == 1
