import importlib
import logging
import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from ims import conf
from ims.models import AccessToken, AuthorizationCode, RefreshToken
from ims.partitions import TABLES
from ims.services.maintain_partitions import maintain_partitions
from tests.factories.identity import (
    make_access_token,
    make_client,
    make_grant,
    make_refresh_token,
    make_user,
)
from wire import bearer

ACCESS_TOKENS, REFRESH_TOKENS, CODES = TABLES
LONGEST_LIVES = {
    ACCESS_TOKENS: conf.ACCESS_TOKEN_TTL_SECONDS,
    REFRESH_TOKENS: conf.REFRESH_TOKEN_TTL_SECONDS,
    CODES: conf.AUTHORIZATION_CODE_TTL_SECONDS,
}


def make_code(grant, expires_at):
    return AuthorizationCode.objects.create(
        digest=bearer.digest(bearer.mint(bearer.Prefix.AUTHORIZATION_CODE)),
        grant=grant,
        client=grant.client,
        redirect_uri="https://app.example/cb",
        code_challenge="x",
        expires_at=expires_at,
    )


def partition_of(record):
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT tableoid::regclass::text FROM {record._meta.db_table} WHERE digest = %s",  # noqa: S608 - a model's own table
            [record.digest],
        )
        [(name,)] = cursor.fetchall()
    return name


@pytest.mark.django_db
def test_row_that_had_no_partition_moves_into_its_own():
    token, record = make_access_token(make_client().client)
    assert partition_of(record) == "ims_accesstoken_default"

    assert maintain_partitions().crowded == []

    assert partition_of(record) == f"ims_accesstoken_{record.expires_at:%Y%m%d%H}"
    assert AccessToken.objects.get(digest=bearer.digest(token)).scopes == record.scopes


@pytest.mark.django_db
def test_second_run_finds_nothing_to_do():
    maintain_partitions()

    changes = maintain_partitions()

    assert (changes.created, changes.dropped) == ([], [])


@pytest.mark.django_db
@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_longest_lived_rows_have_a_partition_even_if_the_next_run_is_hours_away(table):
    away = timezone.now() + timedelta(hours=3)

    last = list(table.list_wanted(timezone.now()))[-1]

    assert last.end > away + timedelta(seconds=LONGEST_LIVES[table])


@pytest.mark.django_db
def test_dead_partition_is_dropped_and_the_live_one_stays():
    start = timezone.now()
    maintain_partitions(now=start)
    _, dead = make_access_token(make_client().client, expires_at=start + timedelta(minutes=10))
    _, live = make_access_token(make_client().client, expires_at=start + timedelta(hours=3))
    home = partition_of(dead)

    changes = maintain_partitions(now=start + timedelta(minutes=80))

    assert home in changes.dropped
    assert list(AccessToken.objects.all()) == [live]


@pytest.mark.django_db
def test_used_code_stays_known_for_a_day_past_its_end():
    start = timezone.now()
    maintain_partitions(now=start)
    code = make_code(make_grant(make_client().client, make_user()), start)

    maintain_partitions(now=start + timedelta(seconds=conf.USED_CODE_MEMORY_SECONDS))
    assert AuthorizationCode.objects.filter(pk=code.pk).exists()

    maintain_partitions(now=start + timedelta(days=3))
    assert not AuthorizationCode.objects.exists()


@pytest.mark.django_db
def test_used_refresh_token_stays_known_until_its_end():
    start = timezone.now()
    maintain_partitions(now=start)
    grant = make_grant(make_client().client, make_user())
    end = start + timedelta(seconds=conf.REFRESH_TOKEN_TTL_SECONDS)
    make_refresh_token(grant, used_at=start, expires_at=end)

    maintain_partitions(now=end)
    assert RefreshToken.objects.exists()

    maintain_partitions(now=end + timedelta(days=8))
    assert not RefreshToken.objects.exists()


@pytest.mark.django_db
def test_insert_without_a_partition_succeeds_and_is_reported(caplog):
    start = timezone.now()
    maintain_partitions(now=start)
    make_access_token(make_client().client, expires_at=start + timedelta(days=2))

    with caplog.at_level(logging.ERROR):
        changes = maintain_partitions(now=start)

    assert changes.crowded == ["ims_accesstoken"]
    assert "ims_accesstoken: live rows are in the default partition." in caplog.text


@pytest.mark.django_db
def test_default_partition_is_emptied_when_all_of_it_is_dead():
    make_access_token(make_client().client, expires_at=timezone.now() - timedelta(hours=5))

    assert maintain_partitions().crowded == []

    assert not AccessToken.objects.exists()


@pytest.mark.django_db
def test_lookup_of_a_live_token_does_not_look_at_dead_partitions():
    start = timezone.now()
    maintain_partitions(now=start - timedelta(hours=5))
    maintain_partitions(now=start - timedelta(hours=1))

    plan = AccessToken.objects.filter(digest=b"x" * 32, expires_at__gt=start).explain()

    dead = next(ACCESS_TOKENS.list_wanted(start - timedelta(hours=1))).name
    live = next(ACCESS_TOKENS.list_wanted(start)).name
    assert live in plan
    assert dead not in plan


@pytest.mark.django_db(transaction=True)
def test_table_that_is_in_use_is_left_to_the_next_run(caplog):
    """Waiting longer would make everybody wait who comes after."""
    holds, may_end = threading.Event(), threading.Event()

    def read_for_long():
        with transaction.atomic():
            list(AccessToken.objects.all())
            holds.set()
            may_end.wait(60)
        connection.close()

    maintain_partitions()
    later = timezone.now() + timedelta(hours=2)
    reader = threading.Thread(target=read_for_long)
    reader.start()
    assert holds.wait(30)
    try:
        changes = maintain_partitions(now=later)
    finally:
        may_end.set()
        reader.join(30)

    assert not any(name.startswith("ims_accesstoken") for name in changes.created)
    assert "ims_accesstoken is busy" in caplog.text
    assert any(
        name.startswith("ims_accesstoken") for name in maintain_partitions(now=later).created
    )
    _drop_all_partitions()


def _drop_all_partitions():
    """What was made outside of a transaction would meet the next test."""
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(
                "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass",
                [table.name],
            )
            for (name,) in cursor.fetchall():
                if name != table.default_partition:
                    cursor.execute(f"DROP TABLE {name}")


@pytest.mark.django_db
def test_migration_keeps_the_rows_that_are_wanted_still():
    migration = importlib.import_module("ims.migrations.0007_partitions")
    statements = migration.CONVERT.format(table="ims_authorizationcode", kept="1 day")
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA former")
        cursor.execute("SET LOCAL search_path TO former")
        cursor.execute(
            "CREATE TABLE ims_authorizationcode"
            " (digest bytea PRIMARY KEY, expires_at timestamptz NOT NULL)"
        )
        cursor.execute(
            "INSERT INTO ims_authorizationcode VALUES ('live', now() + interval '1 minute'),"
            " ('used', now() - interval '23 hours'), ('dead', now() - interval '2 days')"
        )
        cursor.execute(statements)
        cursor.execute("SELECT digest FROM ims_authorizationcode ORDER BY 1")
        kept = [bytes(digest) for (digest,) in cursor.fetchall()]
        cursor.execute("SET LOCAL search_path TO public")

    assert kept == [b"live", b"used"]
