"""One run of a token scenario: what is sent, by wrk, and what it cost the server and PostgreSQL."""

import base64
import json
import os
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import measure, token_peers
from benchmarks.token_peers import ISSUE, PHANTOM, Peer

_SCRIPT = Path(__file__).parent / "token_service.lua"
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Run:
    """The server's figure, and PostgreSQL's CPU in µs per request."""

    figure: measure.Figure
    database_us: float


@dataclass(frozen=True)
class Load:
    """Who asks, and how: `postgres` is the server's process, `work` holds the tokens."""

    work: Path
    postgres: int
    connections: int

    def prepare(self) -> None:
        """Put what never changes into wrk's environment."""
        credentials = f"{token_peers.CLIENT_ID}:{token_peers.read_secret(self.work)}".encode()
        os.environ["BENCH_AUTHORIZATION"] = "Basic " + base64.b64encode(credentials).decode()
        os.environ["BENCH_BODY"] = _issue_form()

    def run(self, peer: Peer, scenario: str, *, tokens: Sequence[str], seconds: int) -> Run:
        """Ask `peer` for `seconds`, about each of `tokens` in turn where it introspects."""
        os.environ["BENCH_ACCEPT"] = peer.accepts(scenario)
        os.environ["BENCH_TOKENS"] = ""
        if tokens:
            _check(peer, scenario, tokens[0])
            (self.work / "tokens").write_text("\n".join(tokens))
            os.environ["BENCH_TOKENS"] = str(self.work / "tokens")
        before = measure.cpu_seconds(database := measure.process_tree(self.postgres))
        figure = measure.run_wrk(
            peer.token_url if scenario == ISSUE else peer.introspection_url,
            script=_SCRIPT,
            seconds=seconds,
            connections=self.connections,
            pids=measure.process_tree(peer.pid),
        )
        used = measure.cpu_seconds(database) - before
        return Run(figure, used * 1e6 / max(figure.requests, 1))


def issue(peer: Peer) -> str:
    """Return a token that `peer` issued just now."""
    return str(json.loads(_post(peer.token_url, _issue_form(), "application/json"))["access_token"])


def _check(peer: Peer, scenario: str, token: str) -> None:
    answer = _post(peer.introspection_url, f"token={token}", peer.accepts(scenario)).decode()
    if not (answer.startswith("ey") if scenario == PHANTOM else json.loads(answer)["active"]):
        raise RuntimeError(f"{peer.introspection_url} does not know its own token: {answer}")


def _issue_form() -> str:
    return urllib.parse.urlencode({"grant_type": "client_credentials", "scope": token_peers.SCOPE})


def _post(url: str, form: str, accept: str) -> bytes:
    headers = {
        "Authorization": os.environ["BENCH_AUTHORIZATION"],
        "Content-Type": _FORM,
        "Accept": accept,
    }
    request = urllib.request.Request(url, form.encode(), headers)  # noqa: S310 - a loopback URL
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - the same
        return bytes(response.read())
