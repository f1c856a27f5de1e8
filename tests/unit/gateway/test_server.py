"""`python -m gateway` as processes: TLS, two workers and their parent, the private port."""

import json
import os
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.unit.gateway.fake_authority import AuthorityServer, eventually
from tests.unit.gateway.gateway_process import (
    IS_NATIVE,
    ROOT,
    WORKERS,
    Echo,
    Gateway,
    make_certificate,
    make_snapshot,
    read_all,
)
from wire.bearer import Prefix, digest, mint


@pytest.fixture(scope="module")
def authority():
    server = AuthorityServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def echo():
    upstream = Echo()
    yield upstream
    upstream.close()


@pytest.fixture(scope="module")
def gateway(authority, echo, tmp_path_factory):
    home = tmp_path_factory.mktemp("gateway")
    make_certificate(home / "tls")
    authority.publish(make_snapshot(2, echo.url))
    running = Gateway(home, authority.url).start()
    yield running
    assert running.stop() == 0


@pytest.fixture
def token(authority):
    token = mint(Prefix.ACCESS_TOKEN)
    authority.live[token] = {}
    return token


def test_the_gateway_imports_no_django():
    code = (
        "import sys, gateway.worker_process\n"
        "bad = [m for m in sys.modules if m.split('.')[0] in"
        " {'django','rest_framework','celery','psycopg','requests','oauth2_provider'}]\n"
        "sys.exit(repr(bad) if bad else 0)"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)

    assert done.returncode == 0, done.stderr


def test_a_call_over_tls_swaps_the_token(gateway, token):
    status, body = gateway.get("/orders/v1/orders/42", token)

    assert status == 200
    head = json.loads(body)["head"]
    assert head.startswith("GET /orders/42 HTTP/1.1")
    assert "authorization: Bearer eyJ" in head
    assert token not in head


def test_nothing_private_is_on_the_public_port(gateway):
    for path in ("/-/healthz", "/-/readyz", "/-/metrics"):
        assert gateway.get(path)[0] == 404


def test_the_private_port_has_probes_and_sums(gateway, token):
    before = gateway.metric("token_cache_misses_total")

    gateway.get("/orders/v1/orders/42", token)

    assert gateway.admin("/-/healthz") == (200, "ok\n")
    assert gateway.admin("/-/readyz") == (200, "ready\n")
    assert gateway.admin("/other")[0] == 404
    assert gateway.metric("token_cache_misses_total") > before
    assert 'calls_total{status="200"}' in gateway.admin("/-/metrics")[1]


def test_usage_arrives_at_the_control_api(gateway, authority, token):
    def calls() -> int:
        rows = [row for batch in authority.batches for row in batch["rows"]]
        return sum(row["calls"] for row in rows if row["operation_id"] == "get")

    eventually(lambda: False, 2.5)
    before = calls()

    gateway.statuses("/orders/v1/orders/42", token, 5)

    assert eventually(lambda: calls() == before + 5)
    assert {report["node"].rpartition("-")[2] for report in authority.reports} >= {"0", "1"}
    assert eventually(lambda: gateway.metric("usage_reconciled_minute") == 1_700_000_040)


def test_a_revoked_token_is_refused_by_every_worker_within_a_second(gateway, authority, token):
    assert gateway.statuses("/orders/v1/orders/42", token) == {200}

    del authority.live[token]
    authority.revoke(digest(token))
    time.sleep(0.9)

    assert gateway.statuses("/orders/v1/orders/42", token) == {401}


def test_a_new_snapshot_is_in_force_in_every_worker_within_a_second(
    gateway, authority, echo, token
):
    assert gateway.statuses("/orders/v1/orders/42", token) == {200}
    version = authority.snapshot.version

    authority.publish(make_snapshot(version + 1, echo.url, is_subscribed=False))
    time.sleep(0.9)
    refused = gateway.statuses("/orders/v1/orders/42", token)
    authority.publish(make_snapshot(version + 2, echo.url))
    time.sleep(0.9)

    assert refused == {403}
    assert gateway.statuses("/orders/v1/orders/42", token) == {200}


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("several lengths", b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc"),
        ("list of lengths", b"Content-Length: 3, 3\r\n\r\nabc"),
        ("signed length", b"Content-Length: +3\r\n\r\nabc"),
        ("other coding", b"Transfer-Encoding: gzip\r\n\r\nabc"),
        ("chunked not last", b"Transfer-Encoding: chunked, gzip\r\n\r\nabc"),
        ("space before colon", b"Content-Length : 3\r\n\r\nabc"),
        ("folded line", b"X-A: 1\r\n Content-Length: 3\r\n\r\nabc"),
        ("bare carriage return", b"X-A: 1\rX-User: admin\r\n\r\n"),
        ("nul in a value", b"X-A: a\x00b\r\n\r\n"),
    ],
)
def test_smuggling_shapes_are_400_and_close(gateway, token, name, raw):
    head = (
        f"POST /orders/v1/orders HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
    )
    smuggled = b"GET /orders/v1/orders/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"

    answer = gateway.send(head.encode() + raw + smuggled)

    assert answer.startswith(b"HTTP/1.1 400"), name
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"smuggled" not in answer


@pytest.mark.parametrize("order", [1, -1])
def test_a_length_beside_chunked_is_400_and_nothing_after_it_is_believed(gateway, token, order):
    fields = "".join(["Content-Length: 4\r\n", "Transfer-Encoding: chunked\r\n"][::order])
    head = (
        f"POST /orders/v1/orders HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
    )
    smuggled = "GET /orders/v1/orders/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"

    answer = gateway.send((head + fields + "\r\n0\r\n\r\n" + smuggled).encode())

    assert answer.startswith(b"HTTP/1.1 400")
    assert b"/problems/conflicting-framing" in answer
    assert answer.count(b"HTTP/1.1 ") == 1


def test_too_many_header_fields_are_431(gateway):
    fields = b"".join(b"X-%d: 1\r\n" % at for at in range(200))

    answer = gateway.send(
        b"GET /orders/v1/orders/1 HTTP/1.1\r\nHost: localhost\r\n" + fields + b"\r\n"
    )

    assert answer.startswith(b"HTTP/1.1 431")


def test_the_access_log_has_no_token_and_no_query(gateway, token):
    gateway.get(f"/orders/v1/orders/{token}?secret=hush", token)
    log = gateway.home / "access.log"

    assert eventually(lambda: "[redacted]" in log.read_text())
    text = log.read_text()
    assert token not in text
    assert "hush" not in text
    assert digest(token).hex()[:8] in text
    assert json.loads(text.splitlines()[0])["status"]


def test_the_last_snapshot_is_on_disk_and_private(gateway):
    path = gateway.home / "gateway" / "snapshot.json"

    assert json.loads(path.read_bytes())["apis"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_killed_worker_is_started_anew_and_sums_go_on(gateway, token):
    gateway.statuses("/orders/v1/orders/42", token)
    before = gateway.metric("token_cache_misses_total")
    pids = gateway.worker_pids()
    assert len(pids) == WORKERS

    os.kill(pids[0], signal.SIGKILL)

    assert eventually(lambda: len(set(gateway.worker_pids()) - set(pids)) == 1, 40)
    assert eventually(lambda: gateway.admin("/-/readyz")[0] == 200, 40)
    assert gateway.statuses("/orders/v1/orders/42", token) == {200}
    assert gateway.metric("token_cache_misses_total") >= before


def test_a_worker_that_dies_again_and_again_is_started_again(gateway, token):
    for _ in range(3):
        assert eventually(lambda: len(gateway.worker_pids()) == WORKERS, 40)
        youngest = gateway.worker_pids()[-1]  # it had no time to prove itself
        os.kill(youngest, signal.SIGKILL)
        assert eventually(lambda pid=youngest: pid not in gateway.worker_pids(), 40)

    assert eventually(lambda: len(gateway.worker_pids()) == WORKERS, 40)
    assert eventually(lambda: gateway.admin("/-/readyz")[0] == 200, 40)
    assert gateway.statuses("/orders/v1/orders/42", token) == {200}


def test_the_other_worker_serves_while_one_is_away(gateway, token):
    assert gateway.statuses("/orders/v1/orders/42", token) == {200}

    os.kill(gateway.worker_pids()[0], signal.SIGKILL)
    time.sleep(0.05)

    assert gateway.statuses("/orders/v1/orders/42", token) == {200}
    assert eventually(lambda: gateway.admin("/-/readyz")[0] == 200, 40)


def test_http2_goes_through_the_same_stages(gateway, token):
    trust = ssl.create_default_context(cafile=str(gateway.home / "tls" / "gateway.pem"))
    url = f"https://localhost:{gateway.port}/orders/v1/orders"
    with httpx.Client(http2=True, verify=trust, trust_env=False) as client:
        swapped = client.post(
            url, content=b"x" * 100_000, headers={"Authorization": f"Bearer {token}"}
        )
        refused = client.get(f"{url}/42")

    assert (swapped.http_version, swapped.status_code) == ("HTTP/2", 200)
    echoed = swapped.json()
    assert len(echoed["body"]) == 100_000
    assert "authorization: Bearer eyJ" in echoed["head"]
    assert "Host: 127.0.0.1" in echoed["head"]
    assert refused.status_code == 401
    assert refused.headers["content-type"] == "application/problem+json"
    assert "connection" not in refused.headers


def test_sighup_takes_a_new_certificate_and_keeps_the_old_for_a_bad_one(
    authority, echo, token, tmp_path
):
    home = tmp_path / "home"
    make_certificate(home / "tls")
    running = Gateway(home, authority.url).start()
    try:
        before = running.certificate()
        (home / "tls" / "gateway.pem").write_text("junk")
        running.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: running.log.read_text().count("stays") == WORKERS, 10)
        assert running.certificate() == before

        make_certificate(home / "new")
        for name in ("gateway.pem", "gateway-key.pem"):
            (home / "tls" / name).write_bytes((home / "new" / name).read_bytes())
        running.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: running.log.read_text().count("read again") == WORKERS, 10)
        assert running.certificate() != before
        assert running.get("/none")[0] == 404
    finally:
        assert running.stop() == 0


def test_a_start_without_the_control_plane_serves_from_disk(gateway, tmp_path):
    home = tmp_path / "home"
    make_certificate(home / "tls")
    (home / "gateway").mkdir()
    kept = gateway.home / "gateway" / "snapshot.json"
    (home / "gateway" / "snapshot.json").write_bytes(kept.read_bytes())

    lonely = Gateway(home, "http://127.0.0.1:1").start()
    try:
        assert lonely.get("/orders/v1/orders/42", mint(Prefix.ACCESS_TOKEN))[0] == 503
        assert lonely.get("/none")[0] == 404
    finally:
        assert lonely.stop() == 0


def test_sigterm_lets_a_call_finish(authority, echo, token, tmp_path):
    home = tmp_path / "home"
    make_certificate(home / "tls")
    authority.publish(make_snapshot(authority.snapshot.version + 1, echo.url))
    running = Gateway(home, authority.url).start()
    head = "GET /orders/v1/orders/slow HTTP/1.1\r\nHost: localhost\r\n"
    with running.connect() as connection:
        connection.sendall(f"{head}Authorization: Bearer {token}\r\n\r\n".encode())
        time.sleep(0.4)
        code = running.process.terminate()
        answer = read_all(connection)

    assert answer.startswith(b"HTTP/1.1 200")
    assert running.process.wait(40) == 0, code


def test_workers_do_not_outlive_a_killed_parent(authority, tmp_path):
    home = tmp_path / "home"
    make_certificate(home / "tls")
    running = Gateway(home, authority.url).start()
    pids = running.worker_pids()

    running.process.kill()
    running.process.wait()

    assert eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 30)


def test_a_port_in_use_is_one_sentence(gateway, authority):
    for variable, port in (
        ("TOLLGATE_GATEWAY_PORT", gateway.port),
        ("TOLLGATE_GATEWAY_ADMIN_PORT", gateway.admin_port),
    ):
        second = Gateway(gateway.home, authority.url, **{variable: str(port)})
        code, text = second.run_to_the_end()

        assert code == 2
        assert text == f"Port {port} is in use: stop what uses it, or set {variable}.\n"
    # The one that runs is not disturbed: its counters are still there.
    assert gateway.admin("/-/readyz") == (200, "ready\n")


@pytest.mark.parametrize(
    ("missing", "hint"),
    [
        ({"TOLLGATE_GATEWAY_CLIENT_SECRET": ""}, "TOLLGATE_GATEWAY_CLIENT_SECRET"),
        ({"TOLLGATE_GATEWAY_CERT": "/nonexistent.pem"}, "TOLLGATE_GATEWAY_CERT"),
        ({"REDIS_URL": ""}, "REDIS_URL"),
        ({"TOLLGATE_GATEWAY_PORT": "many"}, "TOLLGATE_GATEWAY_PORT"),
        ({"TOLLGATE_ISSUER": "localhost"}, "TOLLGATE_ISSUER"),
        ({"TOLLGATE_GATEWAY_CERT": __file__}, "TLS"),
    ],
)
def test_what_is_missing_is_one_sentence(tmp_path, missing, hint):
    make_certificate(tmp_path / "home" / "tls")
    broken = Gateway(tmp_path / "home", "http://127.0.0.1:1", **missing)

    code, text = broken.run_to_the_end()

    assert code == 2
    assert hint in text
    assert len(text.strip().splitlines()) == 1


def test_workers_run_the_modules_that_were_asked_for(gateway):
    maps = [Path(f"/proc/{pid}/maps").read_text() for pid in gateway.worker_pids()]

    assert [("__mypyc" in one) for one in maps] == [IS_NATIVE] * WORKERS
