"""An upstream that does not answer its health path is refused, whichever way it comes."""

import socket
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

from ams.catalog.checks import probe_targets as module
from ams.catalog.checks.probe_targets import probe_targets
from ams.catalog.models import Upstream
from ams.catalog.services.save_upstream import save_upstream
from ams.catalog.specs import HealthSpec, TargetSpec
from ams.documents.apply_document import apply_document
from ams.errors import InvalidDocument, InvalidFields
from tests.factories.catalog import upstream_spec
from tests.unit.ams.admin_forms import errors_in, upstream_data

pytestmark = pytest.mark.django_db


@pytest.fixture
def server():
    """A target that is well at /up, ill at /ill, and slow at /slow."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append((self.path, self.headers["Host"]))
            if self.path == "/slow":
                time.sleep(1)
            self.send_response({"/up": 204, "/slow": 204}.get(self.path, 503))
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.asked = []
        running.url = f"http://127.0.0.1:{running.server_address[1]}"
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def dead_url():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def checked(url="", path="/up", **changes):
    health = HealthSpec(path=path, **changes.pop("health", {}))
    return upstream_spec(url=url, health=health, **changes)


def refusal(spec, **kwargs):
    with pytest.raises(InvalidFields) as caught:
        save_upstream(spec=spec, **kwargs)
    (problem,) = caught.value.problems
    assert problem.name == "health.path"
    return problem.message


def test_target_that_answers_is_saved(server):
    save_upstream(spec=checked(server.url))

    assert server.asked == [("/up", server.url.removeprefix("http://"))]


def test_path_that_is_answered_with_another_status_is_refused(server):
    assert "answered 503" in refusal(checked(server.url, "/ill"))
    assert not Upstream.objects.exists()


def test_refusal_says_what_to_do(dead_url):
    message = refusal(checked(dead_url))

    assert f"{dead_url} cannot be connected to" in message
    assert "health.check_on_save" in message


def test_slow_target_is_refused_in_time(server):
    started = time.monotonic()

    assert "in time" in refusal(checked(server.url, "/slow", health={"timeout_seconds": 0.1}))
    assert time.monotonic() - started < module.MOST_SECONDS


@pytest.mark.parametrize("line", [b"", b"HTTP/1.1 204 No Content\r\n"])
def test_target_that_never_ends_its_answer_is_left_in_time(line):
    released = threading.Event()

    def drip(listening):
        connected, _ = listening.accept()
        with connected, suppress(OSError):
            connected.sendall(line)
            while True:
                connected.sendall(b"X-A: b\r\n" if line else b"H")
                time.sleep(0.05)
        released.set()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=drip, args=(listening,), daemon=True).start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"

        assert "in time" in refusal(checked(url, health={"timeout_seconds": 0.3}))
        assert released.wait(2), "the thread that asks goes on listening"


def test_name_server_that_hangs_holds_nobody(monkeypatch):
    go_on = threading.Event()
    monkeypatch.setattr(module, "MOST_SECONDS", 0.1)
    monkeypatch.setattr(module.socket, "getaddrinfo", lambda *_, **__: go_on.wait(10))

    assert "in time" in refusal(checked("http://api.example"))
    go_on.set()


def test_each_target_must_answer(server, dead_url):
    targets = (TargetSpec(url=server.url), TargetSpec(url=dead_url))

    assert dead_url in refusal(checked(targets=targets))


def test_what_speaks_no_http_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer():
            connection, _ = listening.accept()
            connection.recv(1000)
            connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
            connection.close()

        threading.Thread(target=answer, daemon=True).start()

        assert "HTTP/1.1" in refusal(checked(f"http://127.0.0.1:{listening.getsockname()[1]}"))


def test_tls_without_a_valid_certificate_is_refused(server):
    url = server.url.replace("http://", "https://")

    assert "cannot be connected to" in refusal(checked(url))


def test_internal_address_behind_a_name_is_not_asked(server, monkeypatch):
    """The name was fine when it was typed; what it stands for is looked at here."""
    monkeypatch.setattr(
        module.socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("127.0.0.1", 80))]
    )
    url = server.url.replace("127.0.0.1", "api.example")

    assert "127.0.0.1" in refusal(checked(url, allow_internal=False))
    assert server.asked == []


def test_check_can_be_left_out(dead_url):
    save_upstream(spec=checked(dead_url, health={"check_on_save": False}))


def test_what_asks_for_nothing_new_is_saved_while_the_upstream_is_down(dead_url):
    spec = checked(dead_url)
    upstream = save_upstream(spec=spec, probe=False)

    save_upstream(spec=checked(dead_url, idle_timeout_seconds=5.0), upstream_id=upstream.pk)

    assert "cannot be connected" in refusal(checked(dead_url, "/other"), upstream_id=upstream.pk)


def test_malformed_path_is_refused_without_asking(server):
    save = checked(server.url, "up", health={"check_on_save": False})
    assert "begins with /" in refusal(save)
    assert "begins with /" in refusal(checked(server.url, "up"))
    assert server.asked == []


def test_many_dead_targets_are_asked_at_once(dead_url):
    specs = [checked(dead_url) for _ in range(20)]

    assert [len(problems) for problems in probe_targets(specs)] == [1] * 20


def document(url):
    return (
        "upstreams:\n  - slug: orders\n    allow_internal: true\n"
        f"    url: {url}\n    health: {{path: /up}}\n"
    )


def apply(url, **kwargs):
    return apply_document(
        text=document(url), source="t.yaml", folder=Path(), environment={}, **kwargs
    )


def test_document_is_refused_with_its_line(dead_url):
    with pytest.raises(InvalidDocument) as caught:
        apply(dead_url, dry_run=True)

    assert str(caught.value).startswith("t.yaml:5:20: upstreams[0].health.path: ")


def test_command_applies_without_asking_when_it_is_told_to(dead_url, tmp_path):
    file = tmp_path / "t.yaml"
    file.write_text(document(dead_url))

    with pytest.raises(CommandError, match=r"health\.path"):
        call_command("apply", file=str(file))
    call_command("apply", file=str(file), no_probe=True)

    assert Upstream.objects.get().health_path == "/up"
    assert apply(dead_url) == ()  # nothing new is asked


def test_admin_shows_it_beside_the_field(client, dead_url):
    client.force_login(
        get_user_model().objects.create_superuser(
            username="root", email="root@example.com", password="x"
        )
    )
    data = upstream_data(url=dead_url, allow_internal="on", health_path="/up")

    answer = client.post("/admin/catalog/upstream/add/", data | {"health_check_on_save": "on"})

    assert errors_in(answer).keys() == {"health_path"}
    assert client.post("/admin/catalog/upstream/add/", data).status_code == 302
