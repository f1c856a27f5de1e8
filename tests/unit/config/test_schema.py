import pytest
from django.core.management import call_command


@pytest.mark.django_db
def test_migrations_match_the_models():
    call_command(
        "makemigrations",
        "ims",
        "catalog",
        "plans",
        "subscriptions",
        "metering",
        "billing",
        "portal",
        check=True,
        dry_run=True,
    )
