"""What goes wrong before anything is started. What goes right is shown by the live tests."""

import os
import socket
import subprocess
import sys

import pytest

from config import env
from tests.live_stack import PORTS, build_environ, find_free_ports


@pytest.fixture
def serve(tmp_path):
    ports = find_free_ports(len(PORTS))

    def run(*arguments, **environ):
        return subprocess.run(
            [sys.executable, "manage.py", "serve", *arguments],
            cwd=env.BASE_DIR,
            env={**build_environ(tmp_path / "home", ports), **environ},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    run.ports = ports
    return run


def test_taken_port_is_one_sentence_and_nothing_is_made(serve, tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", serve.ports[1]))
        other.listen()
        result = serve()

    assert result.returncode == 1
    assert result.stdout.splitlines()[-1] == (
        f"Port {serve.ports[1]} is in use. Stop the other program or set TOLLGATE_GATEWAY_PORT."
    )
    assert result.stderr == ""
    assert not (tmp_path / "home").exists()


def test_unreachable_database_is_one_sentence(serve):
    result = serve(DATABASE_URL="postgresql://127.0.0.1:9/none", REDIS_URL="redis://127.0.0.1:9/0")

    assert result.returncode == 1
    assert "DATABASE_URL names a PostgreSQL that cannot be used" in result.stdout
    assert "Connection refused." in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


def test_unreachable_queue_is_one_sentence(serve):
    result = serve(DATABASE_URL=os.environ["DATABASE_URL"], REDIS_URL="redis://127.0.0.1:9/0")

    assert result.returncode == 1
    assert "REDIS_URL names a Valkey or Redis that cannot be used" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TOLLGATE_WEB_PORT", "eighty"),
        ("TOLLGATE_WEB_PORT", "70000"),
        ("TOLLGATE_ISSUER", "ftp://x"),
    ],
)
def test_unusable_variable_is_named(serve, variable, value):
    result = serve(**{variable: value})

    assert result.returncode == 1
    assert variable in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


def test_production_gets_no_demo(serve, tmp_path):
    result = serve(TOLLGATE_MODE="production")

    assert result.returncode == 1
    assert "serve --role" in result.stdout
    assert not (tmp_path / "home").exists()


def test_unknown_role_lists_the_roles(serve):
    result = serve("--role", "wbe")

    assert result.returncode != 0
    assert "gateway" in result.stderr
