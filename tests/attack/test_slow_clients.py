"""slowhttptest: clients that take their time must not keep others out, and are sent away."""

import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("attack")

_SECONDS = 14  # longer than a head may take
_CONNECTIONS = 120
_ATTACKS = {
    "slow head": ["-H", "-i", "4"],
    "slow body": ["-B", "-i", "4", "-s", "8192"],
    "slow read": ["-X", "-w", "10", "-y", "20", "-n", "4", "-z", "8", "-k", "3"],
}


@pytest.fixture(scope="module")
def program():
    found = shutil.which("slowhttptest")
    if found is None:
        pytest.skip("slowhttptest is not installed")
    return found


def call_seconds(ours) -> float:
    """Return how long one call of an honest client takes. Raises where it fails."""
    request = (
        "GET /orders/v1/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Authorization: Bearer {ours.token}\r\n\r\n"
    ).encode()
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", ours.port), timeout=5) as connection:
        connection.sendall(request)
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    return time.monotonic() - began


def plain(log: Path) -> str:
    """Return what was printed, without colours and columns."""
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", log.read_text())
    return re.sub(r"[ \t]+", " ", text)


def test_slow_clients_keep_nobody_out(ours, program, tmp_path):
    url = f"http://localhost:{ours.port}/orders/v1/x"
    size = ["-c", str(_CONNECTIONS), "-r", "60", "-l", str(_SECONDS), "-p", "3", "-u", url]
    attacks = []
    for at, kind in enumerate(_ATTACKS.values()):
        command = [program, *kind, *size, "-t", "POST" if "-B" in kind else "GET"]
        with (tmp_path / f"{at}.log").open("wb") as log:
            attacks.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path))
    try:
        time.sleep(4)
        seconds = [call_seconds(ours) for _ in range(20)]
        deadline = time.monotonic() + _SECONDS + 10
        for attack in attacks:
            attack.wait(max(1.0, deadline - time.monotonic()))
    finally:
        for attack in attacks:
            attack.kill()
            attack.wait()

    assert max(seconds) < 3  # what the client would call "out"; no figure of speed
    told = {name: plain(tmp_path / f"{at}.log") for at, name in enumerate(_ATTACKS)}
    for name, text in told.items():
        assert "service available: YES" in text, (name, text[-1500:])
    # A head has ten seconds: the attack ends because nobody holds a connection any more.
    assert "No open connections left" in told["slow head"], told["slow head"][-1500:]
    assert ours.gateway.admin("/-/readyz")[0] == 200
