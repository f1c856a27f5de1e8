"""Snapshots and the changes between them, as a control API would write them."""

from dataclasses import replace

from wire.gateway_snapshot import (
    API,
    GatewaySnapshot,
    Operation,
    Plan,
    Subscription,
    Upstream,
)
from wire.snapshot_document import Head, encode_document, read_head, read_lines


def make_snapshot(version: int = 1, *, apis: int = 2, clients: int = 3) -> GatewaySnapshot:
    """Each API has an upstream and a plan of its own; client n has plan n."""
    return GatewaySnapshot(
        version=version,
        apis=tuple(
            API(
                id=f"api-{at}",
                slug=f"api-{at}",
                name=f"API {at}",
                base_path=f"/api-{at}",
                resource=f"https://api.test/{at}",
                upstream_id=f"up-{at}",
                operations=(Operation("get", "GET", "/things/{id}", ("read",)),),
            )
            for at in range(apis)
        ),
        upstreams=tuple(
            Upstream(f"up-{at}", f"http://127.0.0.1:{9000 + at}") for at in range(apis)
        ),
        plans=tuple(Plan(f"plan-{at}", f"Plan {at}", (f"api-{at}",)) for at in range(apis)),
        subscriptions=tuple(
            Subscription(f"sub-{at}", f"client-{at}", f"plan-{at % apis}") for at in range(clients)
        ),
        gateway_url="https://gateway.test",
    )


def with_api(snapshot: GatewaySnapshot, at: int, **members) -> GatewaySnapshot:
    """The next version, in which one API is another."""
    apis = tuple(replace(api, **members) if n == at else api for n, api in enumerate(snapshot.apis))
    return replace(snapshot, version=snapshot.version + 1, apis=apis)


def with_subscriptions(snapshot: GatewaySnapshot, *subscriptions: Subscription) -> GatewaySnapshot:
    return replace(snapshot, version=snapshot.version + 1, subscriptions=subscriptions)


def change_between(before: GatewaySnapshot, after: GatewaySnapshot, **head) -> bytes:
    """The document that leads from one to the other; `head` has members to falsify."""
    old = {(kind, _id(line)): line for kind, line in read_lines(before.encode())}
    new = {(kind, _id(line)): line for kind, line in read_lines(after.encode())}
    rows: dict[str, list[bytes]] = {"apis": []}
    deleted: dict[str, list[str]] = {}
    for (kind, identifier), line in new.items():
        if old.get((kind, identifier)) != line:
            rows.setdefault(kind, []).append(line)
    for kind, identifier in old:
        if (kind, identifier) not in new:
            deleted.setdefault(kind, []).append(identifier)
    about = read_head(after.encode())
    made = Head(after.version, about.digest, before.version, deleted, about.members)
    return encode_document(replace(made, **head), rows)


def _id(line: bytes) -> str:
    return line.partition(b'"id":"')[2].partition(b'"')[0].decode()
