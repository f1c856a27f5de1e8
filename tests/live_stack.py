"""The fixture `stack`: the whole of Tollgate, started as a newcomer would start it.

All tests of LIVE_FOLDERS run in one xdist worker and share it.
"""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import psutil
import pytest

from tests.gateway_metrics import read_metric
from wire import bearer

READY_SECONDS = 180
STOP_SECONDS = 60
CATCH_UP_SECONDS = 15  # on a busy machine; how soon it is otherwise, other tests show
LIVE_FOLDERS = ("tests/browser/", "tests/e2e/", "tests/faults/", "tests/interop/")
ROOT = Path(__file__).resolve().parent.parent
PORTS = (
    "TOLLGATE_WEB_PORT",
    "TOLLGATE_GATEWAY_PORT",
    "TOLLGATE_GATEWAY_ADMIN_PORT",
    "TOLLGATE_DEMO_PORT",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Keep the tests of the stack in one worker, and send the others wherever there is room.

    By folder: under pytest 9.2 the groups of pytest-xdist 3.8 do not reach its scheduler.
    """
    if config.getoption("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - there with this hook only

    class LiveTogether(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return "live" if nodeid.startswith(LIVE_FOLDERS) else nodeid

    return LiveTogether(config, log)


@pytest.fixture(scope="session")
def stack():
    home = Path(tempfile.mkdtemp(prefix="tollgate-live-"))
    # The servers of others that it fetches documents from are the tests' own, on loopback.
    running = Stack(
        home,
        TOLLGATE_OUTBOUND_ALLOW_PRIVATE="1",
        TOLLGATE_OUTBOUND_CA_FILE=str(home / "tls" / "ca.pem"),
    )
    try:
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(home, ignore_errors=True)


def find_free_ports(count):
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def build_environ(home, ports):
    """Return a newcomer's environment: nothing of the tests' own servers and settings."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TOLLGATE_", "PYTEST_", "DJANGO_"))
        and name not in {"DATABASE_URL", "REDIS_URL"}
    }
    numbers = {name: str(port) for name, port in zip(PORTS, ports, strict=True)}
    return {**kept, **numbers, "TOLLGATE_HOME": str(home), "PYTHONUNBUFFERED": "1"}


class Stack:
    """A running `manage.py serve` and what a test needs to use and to disturb it."""

    def __init__(self, home, **environ):
        self.home = home
        self.ports = find_free_ports(len(PORTS))
        self.environ = {**build_environ(home, self.ports), **environ}
        self.output = home / "serve.out"
        self.process = None
        self._agent = None

    # --- its life -------------------------------------------------------------------------

    def start(self):
        """Start, and return the seconds until it was ready."""
        began = time.monotonic()
        self.output.unlink(missing_ok=True)
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "serve"],
                cwd=ROOT,
                env=self.environ,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + READY_SECONDS
        while "Tollgate is ready" not in self.output.read_text():
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"`manage.py serve` did not start:\n{self.output.read_text()}")
            time.sleep(0.1)
        self.quickstart = json.loads((self.home / "quickstart.json").read_text())
        return time.monotonic() - began

    def stop(self, *, by_keyboard=False):
        """Stop as `kill` does, or as Ctrl-C does; the exit code."""
        if self._agent is not None:
            self._agent.stdin.close()
            self._agent.wait(STOP_SECONDS)
            self._agent.stdout.close()
            self._agent = None
        if self.process is None:
            return None
        if self.process.poll() is None:
            if by_keyboard:  # the terminal tells the whole group
                os.killpg(self.process.pid, signal.SIGINT)
            else:
                self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def find_survivors(self):
        """The processes that were started for this data folder and still run."""
        found = []
        for one in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                command = " ".join(one.cmdline())
                if (
                    one.environ().get("TOLLGATE_HOME") == str(self.home)
                    or str(self.home) in command
                ):
                    found.append(command[:200])
        return found

    # --- its addresses --------------------------------------------------------------------

    @property
    def issuer(self):
        return self.quickstart["issuer"]

    @property
    def gateway_url(self):
        return self.quickstart["gateway_url"]

    @property
    def gateway_admin_url(self):
        return f"http://127.0.0.1:{self.ports[2]}"

    @property
    def demo_url(self):
        return f"http://127.0.0.1:{self.ports[3]}"

    @property
    def ca_file(self):
        return self.quickstart["ca_file"]

    # --- calling --------------------------------------------------------------------------

    def client(self, **options):
        """A client that trusts the gateway's certificate."""
        context = ssl.create_default_context(cafile=self.ca_file)
        return httpx.Client(verify=context, timeout=options.pop("timeout", 15), **options)

    def call(self, method, path, *, token=None, headers=None, fresh=False, **options):
        """Call the gateway; `fresh` on a connection of its own."""
        del fresh  # every call has its own client, and so its own connection
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        timeout = options.pop("timeout", 15)
        with self.client(timeout=timeout) as client:
            return client.request(method, self.gateway_url + path, headers=sent, **options)

    def token(self, scope=None, client=None, resource=None):
        """An opaque access token, by client credentials."""
        client = client or self.quickstart["client"]
        form = {
            "grant_type": "client_credentials",
            "scope": self.quickstart["client"]["scope"] if scope is None else scope,
            "resource": resource or self.quickstart["client"]["resource"],
        }
        answer = httpx.post(
            f"{self.issuer}/oauth/token",
            data=form,
            auth=(client["client_id"], client["client_secret"]),
            timeout=15,
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    def mint_unknown_token(self):
        """A token of the right shape that the token service never issued."""
        return bearer.mint(bearer.Prefix.ACCESS_TOKEN)

    def revoke(self, token, client=None):
        client = client or self.quickstart["client"]
        answer = httpx.post(
            f"{self.issuer}/oauth/revoke",
            data={"token": token},
            auth=(client["client_id"], client["client_secret"]),
            timeout=15,
        )
        assert answer.status_code == 200, answer.text

    # --- changing it ----------------------------------------------------------------------

    def new_application(self, plan="free"):
        """An application of the demo developer with an active subscription to `plan`."""
        name = f"Test {secrets.token_hex(4)}"
        made = LiveApplication(self, self.ask("new_application", name, plan))
        self._await_gateways()
        return made

    def _await_gateways(self):
        """Wait until every worker of the gateway enforces what is stored now."""
        version = self.ask("configuration_version")
        deadline = time.monotonic() + CATCH_UP_SECONDS
        while self._version_of_gateways() < version:
            assert time.monotonic() < deadline, f"no version {version} after {CATCH_UP_SECONDS} s"
            time.sleep(0.02)

    def _version_of_gateways(self):
        """The oldest version that a worker holds."""
        metrics = httpx.get(f"{self.gateway_admin_url}/-/metrics", timeout=15).text
        return read_metric(metrics, "snapshot_version")

    def plan_limit(self, slug):
        """The calls and the burst of a plan's rate limit."""
        return tuple(self.ask("plan_limit", slug))

    def new_api(self, upstream_url, first_byte_timeout_seconds=30.0):
        """A published API of its own with an application subscribed to it."""
        return LiveAPI(
            self, f"test-{secrets.token_hex(4)}", upstream_url, first_byte_timeout_seconds
        )

    def ask(self, command, *arguments):
        """Have the agent change or read the stack's data."""
        if self._agent is None:
            self._agent = subprocess.Popen(
                [sys.executable, "-m", "tests.stack_agent"],
                cwd=ROOT,
                env={**self.environ, "DJANGO_SETTINGS_MODULE": "config.settings"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        self._agent.stdin.write(json.dumps([command, arguments]) + "\n")
        self._agent.stdin.flush()
        answer = json.loads(self._agent.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer["result"]

    # --- disturbing it --------------------------------------------------------------------

    def processes(self):
        """The process id of each part."""
        rows = json.loads((self.home / "run" / "processes.json").read_text())
        return {name: row[0] for name, row in rows.items()}

    def gateway_worker_pids(self):
        workers = psutil.Process(self.processes()["gateway"]).children()
        spawned = [
            one.pid for one in workers if "gateway.worker_process" in " ".join(one.cmdline())
        ]
        return spawned or [one.pid for one in workers]

    @contextlib.contextmanager
    def frozen(self, *names):
        """Hold some parts, with all that they started, as if their machine were away."""
        groups = [pid for name, pid in self.processes().items() if name in names]
        for group in groups:
            os.killpg(group, signal.SIGSTOP)
        try:
            yield
        finally:
            for group in groups:
                os.killpg(group, signal.SIGCONT)


class LiveApplication:
    """A registered client, and what was counted for it."""

    def __init__(self, stack, made):
        self.stack = stack
        self.credentials = made
        self.client_id = made["client_id"]
        self.subscription_id = made["subscription_id"]

    def token(self, scope=None, resource=None):
        return self.stack.token(scope=scope, client=self.credentials, resource=resource)

    def counted_calls(self):
        return self.stack.ask("counted_calls", self.client_id)


class LiveAPI:
    """An API made for one test, with one operation that takes every path."""

    def __init__(self, stack, slug, upstream_url, first_byte_timeout_seconds):
        self.stack = stack
        self.slug = slug
        self.base_path = f"/{slug}"
        declaration = _DECLARATION.format(
            slug=slug,
            upstream_url=upstream_url,
            first_byte_timeout_seconds=first_byte_timeout_seconds,
        )
        stack.ask("apply", declaration)
        stack.ask("deliver")
        self.application = stack.new_application(plan=f"{slug}-plan")
        self.resource = f"{stack.gateway_url}{self.base_path}"

    def token(self):
        return self.application.token(scope=f"{self.slug}:use", resource=self.resource)

    def retire(self):
        self.stack.ask("retire_api", self.slug)


_DECLARATION = """
upstreams:
  - slug: {slug}
    url: {upstream_url}
    allow_internal: true
    first_byte_timeout_seconds: {first_byte_timeout_seconds}
apis:
  - slug: {slug}
    name: {slug}
    base_path: /{slug}
    upstream: {slug}
    scopes:
      - name: {slug}:use
        description: Use it
    operations:
      - operation_id: any
        method: "*"
        path: /{{rest*}}
        scopes: ["{slug}:use"]
products:
  - slug: {slug}
    name: {slug}
    apis: [{slug}]
plans:
  - product: {slug}
    slug: {slug}-plan
    name: {slug}
"""
