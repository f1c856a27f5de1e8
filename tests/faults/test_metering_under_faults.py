"""Whatever is killed under load: what clients completed is what the rollups say (ADR-0007).

`make faults` runs 200 rounds, CI 10. Each round has an application of its own, so that its books
are compared by themselves.
"""

import os
import sys
import time
from dataclasses import dataclass

import httpx
import pytest

from tests.faults import disturbances
from tests.faults.load import API, Books, Load

pytestmark = [pytest.mark.live, pytest.mark.faults]

ROUNDS = int(os.environ.get("TOLLGATE_FAULT_ROUNDS", "10"))
LONG_VARIANT = 50
SETTLE_SECONDS = 120


@dataclass
class Round:
    name: str
    application: object
    books: Books

    def difference(self, counted):
        """Counted minus completed, by status, where they differ."""
        both = self.books.completed.keys() | counted.keys()
        found = {status: counted.get(status, 0) - self.books.completed[status] for status in both}
        return {status: number for status, number in found.items() if number}


def plan_rounds():
    """Return what each round does: parts one after the other between the kills of workers."""
    kills = [disturbances.kill_gateway_worker] * ROUNDS
    if ROUNDS < LONG_VARIANT:
        return [*kills, *disturbances.SHORT]
    parts = disturbances.PARTS
    return [
        disturb
        for at, kill in enumerate(kills)
        for disturb in ([kill] if at % 5 else [parts[at // 5 % len(parts)], kill])
    ]


@pytest.fixture
def api(stack):
    with API() as upstream:
        made = stack.new_api(upstream.url)
        yield made
        made.retire()


def test_completed_calls_are_in_the_rollups_and_nothing_is_folded_twice(stack, api, capsys):
    planned = plan_rounds()
    applications = [stack.new_application(plan=f"{api.slug}-plan") for _ in planned]
    rounds = [
        play(stack, api, disturb, application)
        for disturb, application in zip(planned, applications, strict=True)
    ]

    counted = wait_until_settled(stack, rounds)
    with capsys.disabled():
        sys.stdout.write(f"\n{tell(rounds, counted)}\n")
    different = {
        f"{at} {round_.name}": (round_.books, counted[at])
        for at, round_ in enumerate(rounds)
        if round_.difference(counted[at])
    }
    assert not different
    completed = [sum(round_.books.completed.values()) for round_ in rounds]
    assert all(completed)
    assert sum(completed) > 50 * len(rounds)
    totals = stack.ask("usage_totals", api.slug)
    assert totals["batches"] == totals["hourly"] == totals["daily"], totals


def play(stack, api, disturb, application):
    token = disturbances.wait_for(lambda: take_token(api, application))
    with Load(stack, api.base_path, token) as load:
        disturb(stack)
    disturbances.wait_until_recovered(stack)
    return Round(disturb.__name__, application, load.total())


def take_token(api, application):
    """Return a token for the round, for they expire; None where a dead connection is in the way."""
    try:
        return application.token(scope=f"{api.slug}:use", resource=api.resource)
    except (AssertionError, httpx.HTTPError):
        return None


def wait_until_settled(stack, rounds):
    """Return what is counted for each round, by status, once all of it has come."""
    clients = [round_.application.client_id for round_ in rounds]
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        found = stack.ask("counted_by_status", clients)
        counted = [{int(status): calls for status, calls in one.items()} for one in found]
        missing = [
            status
            for round_, one in zip(rounds, counted, strict=True)
            for status, number in round_.difference(one).items()
            if number < 0
        ]
        if not missing or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    time.sleep(3)  # what would be counted twice had the time to be
    found = stack.ask("counted_by_status", clients)
    return [{int(status): calls for status, calls in one.items()} for one in found]


def tell(rounds, counted):
    """Return the result in words: how many rounds were exact, and what the others were."""
    lines = []
    for name in dict.fromkeys(round_.name for round_ in rounds):
        mine = [(r, c) for r, c in zip(rounds, counted, strict=True) if r.name == name]
        exact = sum(not round_.difference(one) for round_, one in mine)
        calls = sum(sum(round_.books.completed.values()) for round_, _ in mine)
        broken = sum(round_.books.broken for round_, _ in mine)
        more = [difference for round_, one in mine if (difference := round_.difference(one))]
        lines.append(
            f"{name}: {exact} of {len(mine)} rounds equal; {calls} calls completed, "
            f"{broken} broken{f', counted beyond: {more}' if more else ''}"
        )
    return "\n".join(lines)
