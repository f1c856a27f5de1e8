"""What a document makes of the tables that are held."""

import json
from dataclasses import replace

import pytest

from gateway.slices import run_through
from gateway.snapshot_tables import NotOurBase, Tables, read_tables
from tests.unit.gateway.snapshots import (
    change_between,
    make_snapshot,
    with_api,
    with_subscriptions,
)
from wire.gateway_snapshot import Subscription
from wire.snapshot_document import MalformedSnapshot, encode_pieces


def read(document, held=None) -> Tables:
    return run_through(read_tables(document, held or Tables()))


def test_a_change_leads_to_what_the_whole_snapshot_says():
    first = make_snapshot(5, clients=4)
    kept, gone, moved, _ = first.subscriptions
    second = with_subscriptions(
        first, kept, replace(moved, plan_id="plan-1"), Subscription("sub-9", "client-0", "plan-1")
    )
    held = read(first.encode())

    changed = read(change_between(first, second), held)

    whole = read(second.encode())
    assert (changed.version, changed.digest) == (6, whole.digest)
    assert changed.rows == whole.rows
    assert changed.clients == whole.clients
    assert gone.client_id not in changed.clients
    assert [one.id for one in changed.clients["client-0"]] == ["sub-0", "sub-9"]
    assert held.clients == read(first.encode()).clients  # the tables before are as they were


def test_a_change_leaves_every_other_row_the_object_that_it_was():
    first = make_snapshot(5)
    held = read(first.encode())

    changed = read(change_between(first, with_api(first, 1, name="New")), held)

    assert changed.rows["apis"]["api-0"] is held.rows["apis"]["api-0"]
    assert changed.rows["apis"]["api-1"].name == "New"
    assert changed.rows["subscriptions"] is held.rows["subscriptions"]
    assert changed.clients is held.clients


def test_a_whole_snapshot_that_says_the_same_leaves_the_objects_too():
    held = read(make_snapshot(5).encode())

    again = read(make_snapshot(6).encode(), held)

    assert again.version == 6
    assert all(again.rows[kind] is rows for kind, rows in held.rows.items())
    assert again.clients is held.clients


def test_rows_and_members_that_only_newer_gateways_read_are_kept():
    document = make_snapshot(5).encode()
    newer = document.replace(b'"id":"up-0"', b'"id":"up-0","colour":"blue"')
    newer = newer.replace(b'"plans":[', b'"moods":[\n{"id":"m"}\n],\n"plans":[')
    newer = newer.replace(b'"gateway_url"', b'"motto":"x","gateway_url"')
    tables = read(newer.replace(newer[newer.index(b'"digest"') :][:43], b'"digest":""', 1))

    written = b"".join(
        encode_pieces(tables.head, {kind: by_id.values() for kind, by_id in tables.lines.items()})
    )

    assert json.loads(written) == json.loads(newer) | {"digest": tables.head.digest}
    assert read(written).digest == tables.digest


@pytest.mark.parametrize(
    "head",
    [
        {"since": 4},
        {"digest": "0" * 32},
        {"deleted": {"subscriptions": ["sub-0"]}},
        {"members": {"gateway_url": "https://elsewhere.test"}},
    ],
)
def test_a_change_that_does_not_lead_to_the_servers_content_is_refused(head):
    first = make_snapshot(5)
    held = read(first.encode())

    with pytest.raises(NotOurBase):
        read(change_between(first, with_api(first, 0, name="New"), **head), held)

    assert held.rows["apis"]["api-0"].name == "API 0"


def test_what_came_and_went_in_between_may_be_named():
    first = make_snapshot(5)
    second = with_api(first, 0, name="New")
    gone = {"subscriptions": ["sub-77"]}

    changed = read(change_between(first, second, deleted=gone), read(first.encode()))

    assert changed.digest == read(second.encode()).digest


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ((b"\n]}\n", b"\n]\n"), "cut off"),
        ((b'"max_body_bytes":10485760', b'"max_body_bytes":"all"'), "max_body_bytes"),
        ((b'"upstream_id":"up-0"', b'"upstream_id":"up-7"'), "upstream_id"),
        ((b'"plan_id":"plan-0"', b'"plan_id":"plan-7"'), "plan_id"),
        ((b'"base_path":"/api-0"', b'"base_path":"api-0"'), "base path"),
        ((b'{"id":"plan-0"', b'{"id":7'), "plans: id"),
        ((b'{"id":"plan-0"', b'{"id":"plan-0'), "plans: a row is not JSON"),
        ((b'{"id":"sub-0"', b'["id":"sub-0"'), "subscriptions: a line"),
    ],
)
def test_what_does_not_validate_is_refused_and_named(damage, named):
    document = make_snapshot(5).encode()
    broken = document.replace(*damage, 1)
    assert broken != document
    digest = broken[broken.index(b'"digest"') :][:43]

    with pytest.raises(MalformedSnapshot, match=named):
        read(broken.replace(digest, b'"digest":""', 1))


def test_a_whole_snapshot_whose_digest_is_another_is_refused():
    with pytest.raises(NotOurBase, match="digest"):
        read(make_snapshot(5).encode().replace(b"API 0", b"API 9"))


def test_a_plan_cannot_go_while_a_subscription_stands_on_it():
    first = make_snapshot(5)
    second = replace(first, version=6, plans=first.plans[1:])

    with pytest.raises(MalformedSnapshot, match="plan_id"):
        read(change_between(first, second), read(first.encode()))


def test_a_document_that_is_laid_out_otherwise_is_read_all_the_same():
    snapshot = make_snapshot(5)

    tables = read(json.dumps(json.loads(snapshot.encode()), indent=1).encode())

    assert tables.rows == read(snapshot.encode()).rows
