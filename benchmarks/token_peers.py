"""The servers of `python -m benchmarks token-service`: ours, panva oidc-provider and stock DOT.

Each issues opaque tokens to the same client and answers what it knows of them.
"""

import json
import sys
import urllib.parse
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks import processes
from config.processes import roles
from config.processes.installation import Installation
from wire import bearer

HERE = Path(__file__).parent
CLIENT_ID = "bench-client"
SCOPE, RESOURCE = "bench:read", "https://api.example/bench"
PANVA, OURS = "panva oidc-provider, in memory", "Tollgate, PostgreSQL"
DOT, FAST_DOT = "stock DOT, PostgreSQL", "DOT with a one-round hasher, PostgreSQL"
ISSUE, INTROSPECT, PHANTOM = "client credentials", "introspection, JSON", "introspection, JWT"


@dataclass(frozen=True)
class Peer:
    """A running server. `accepts` is the media type of the JWT form; empty: it has none."""

    pid: int
    token_url: str
    introspection_url: str
    accepts_jwt: str = ""
    # A server that needs a second for each request gets longer runs and fewer tokens.
    is_slow: bool = False

    def accepts(self, scenario: str) -> str:
        return self.accepts_jwt if scenario == PHANTOM else "application/json"

    def knows(self, scenario: str) -> bool:
        return scenario != PHANTOM or bool(self.accepts_jwt)


def start(stack: ExitStack, work: Path, database_url: str, redis_url: str) -> dict[str, Peer]:
    """Start every server on the serving core; return them by their names in the table."""
    write_secret(work)
    return {
        PANVA: _start_panva(stack, work),
        OURS: start_ours(stack, work, {"DATABASE_URL": database_url, "REDIS_URL": redis_url}),
        FAST_DOT: _start_dot(stack, work, database_url, fast=True),
        DOT: _start_dot(stack, work, database_url, fast=False),
    }


def write_secret(work: Path) -> None:
    """Choose the secret of the client, the same at every server."""
    (work / "secret").write_text(bearer.mint(bearer.Prefix.CLIENT_SECRET))


def read_secret(work: Path) -> str:
    return (work / "secret").read_text()


def _start_panva(stack: ExitStack, work: Path) -> Peer:
    [port] = processes.free_ports(1)
    origin = f"http://127.0.0.1:{port}"
    environ = {"PORT": str(port), "CLIENT_ID": CLIENT_ID, "CLIENT_SECRET": read_secret(work)}
    pid = stack.enter_context(
        processes.serve(
            ["node", str(HERE / "panva" / "server.mjs")],
            port=port,
            environ=environ,
            log=work / "panva.log",
        )
    )
    return Peer(
        pid,
        f"{origin}/token",
        f"{origin}/token/introspection",
        accepts_jwt="application/token-introspection+jwt",
    )


def start_ours(
    stack: ExitStack, work: Path, services: Mapping[str, str], home: str = "var"
) -> Peer:
    """Start the web role by the very command of `manage.py serve`, with its data in `home`."""
    [port] = processes.free_ports(1)
    origin = f"http://127.0.0.1:{port}"
    environ = {**services, "TOLLGATE_HOME": str(work / home), "TOLLGATE_ISSUER": origin}
    python = [sys.executable]
    processes.run([*python, "manage.py", "migrate", "--verbosity", "0"], environ)
    processes.run([*python, "manage.py", "bootstrap"], environ)
    members = json.dumps([CLIENT_ID, read_secret(work), SCOPE, RESOURCE])
    processes.run([*python, "-m", "benchmarks.token_client", members], environ)
    program = roles.build_role("web", _installation(work / home, port, origin))
    pid = stack.enter_context(
        processes.serve(program.argv, port=port, environ=environ, log=work / f"{home}.log")
    )
    return Peer(
        pid,
        f"{origin}/oauth/token",
        f"{origin}/oauth/introspect",
        accepts_jwt="application/jwt",
    )


def _installation(home: Path, port: int, origin: str) -> Installation:
    return Installation(
        home=home,
        web_port=port,
        gateway_port=0,
        gateway_admin_port=0,
        demo_port=0,
        issuer=origin,
        gateway_url="",
    )


def _start_dot(stack: ExitStack, work: Path, database_url: str, *, fast: bool) -> Peer:
    [port] = processes.free_ports(1)
    name = "stock_dot_fast" if fast else "stock_dot"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    parts = urllib.parse.urlsplit(database_url)
    query = dict(urllib.parse.parse_qsl(parts.query))
    environ = {
        "DJANGO_SETTINGS_MODULE": "benchmarks.stock_dot.settings",
        "BENCH_DATABASE_NAME": name,
        "BENCH_DATABASE_USER": parts.username or "",
        "BENCH_DATABASE_HOST": query.get("host", parts.hostname or ""),
        "BENCH_DATABASE_PORT": str(parts.port or ""),
        "BENCH_FAST_HASHER": "yes" if fast else "",
    }
    django = [sys.executable, "-m", "django"]
    processes.run([*django, "migrate", "--verbosity", "0"], environ)
    client = ["--client-id", CLIENT_ID, "--client-secret", read_secret(work)]
    kind = ["confidential", "client-credentials"]
    processes.run([*django, "createapplication", *client, *kind], environ)
    granian = [sys.executable, "-m", "granian", "--interface", "asgi", "--loop", "uvloop"]
    options = ["--no-ws", "--port", str(port), "--log-level", "warning"]
    pid = stack.enter_context(
        processes.serve(
            [*granian, *options, "benchmarks.stock_dot.asgi:application"],
            port=port,
            environ=environ,
            log=work / f"{name}.log",
        )
    )
    origin = f"http://127.0.0.1:{port}/o"
    return Peer(pid, f"{origin}/token/", f"{origin}/introspect/", is_slow=not fast)
