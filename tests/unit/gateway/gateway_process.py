"""A gateway as `python -m gateway` runs it, the upstream behind it and a certificate for both."""

import contextlib
import os
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.gateway_metrics import read_metric
from tests.unit.gateway.fake_authority import eventually
from tests.unit.gateway.harness import RESOURCE
from wire.gateway_snapshot import API, GatewaySnapshot, Operation, Plan, Subscription, Upstream

ROOT = Path(__file__).resolve().parents[3]
WORKERS = 2
IS_NATIVE = "TOLLGATE_TEST_NATIVE" in os.environ


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_certificate(directory: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    directory.mkdir(parents=True)
    (directory / "gateway.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (directory / "gateway-key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return directory / "gateway.pem"


def make_snapshot(
    version: int, upstream_url: str, *, is_subscribed: bool = True
) -> GatewaySnapshot:
    operations = (
        Operation("get", "GET", "/orders/{id}", ("orders:read",)),
        Operation("create", "POST", "/orders", ("orders:read",)),
    )
    return GatewaySnapshot(
        version=version,
        apis=(API("api", "orders", "Orders", "/orders/v1", RESOURCE, "up", operations),),
        upstreams=(Upstream("up", upstream_url, allow_internal=True),),
        plans=(Plan("plan", "Free", ("api",)),),
        subscriptions=(Subscription("sub", "client-1", "plan"),) if is_subscribed else (),
    )


class Echo:
    """An upstream that answers with what it got; `/slow` paths take a second."""

    def __init__(self) -> None:
        code = (
            "import asyncio,json,sys\n"
            "async def serve(r,w):\n"
            "  while True:\n"
            "    head=await r.readuntil(b'\\r\\n\\r\\n')\n"
            "    if b'/orders/slow' in head: await asyncio.sleep(1)\n"
            "    n=[l for l in head.lower().split(b'\\r\\n') if l.startswith(b'content-length:')]\n"
            "    b=await r.readexactly(int(n[0].split(b':')[1])) if n else b''\n"
            "    out={'head':head.decode('latin-1'),'body':b.decode('latin-1')}\n"
            "    out=json.dumps(out).encode()\n"
            "    w.write(b'HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n'%len(out)+out)\n"
            "async def main():\n"
            "  s=await asyncio.start_server(serve,'127.0.0.1',int(sys.argv[1]))\n"
            "  await s.serve_forever()\n"
            "asyncio.run(main())\n"
        )
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, str(port)], stderr=subprocess.DEVNULL
        )

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()


class Gateway:
    def __init__(self, home: Path, authority_url: str, **environ: str) -> None:
        self.home = home
        self.port, self.admin_port = free_port(), free_port()
        self.environ = {
            **{k: v for k, v in os.environ.items() if not k.startswith("TOLLGATE_")},
            "TOLLGATE_HOME": str(home),
            "TOLLGATE_ISSUER": authority_url,
            "TOLLGATE_GATEWAY_PORT": str(self.port),
            "TOLLGATE_GATEWAY_ADMIN_PORT": str(self.admin_port),
            "TOLLGATE_GATEWAY_WORKERS": str(WORKERS),
            "TOLLGATE_GATEWAY_CLIENT_SECRET": "secret",
            "TOLLGATE_GATEWAY_ACCESS_LOG": str(home / "access.log"),
            "TOLLGATE_GATEWAY_NATIVE": "on" if IS_NATIVE else "off",
            **environ,
        }
        self.log = home / "gateway.log"
        self.process: subprocess.Popen | None = None

    def start(self) -> "Gateway":
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gateway"],
                cwd=ROOT,
                env=self.environ,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        assert eventually(lambda: self.admin("/-/readyz")[0] == 200, 40), self.log.read_text()
        return self

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(40)

    def run_to_the_end(self) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "gateway"],
            cwd=ROOT,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=40,
            check=False,
        )
        return done.returncode, done.stderr

    def admin(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}{path}") as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str) -> float:
        return read_metric(self.admin("/-/metrics")[1], name)

    def worker_pids(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split() if _is_worker(pid)]

    def connect(self) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=str(self.home / "tls" / "gateway.pem"))
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        return context.wrap_socket(raw, server_hostname="localhost")

    def certificate(self) -> str:
        return ssl.get_server_certificate(("127.0.0.1", self.port), timeout=20)

    def send(self, raw: bytes) -> bytes:
        """Send bytes and return everything until the server closes."""
        with self.connect() as connection:
            connection.sendall(raw)
            return read_all(connection)

    def get(self, path: str, token: str = "") -> tuple[int, bytes]:
        authorization = f"Authorization: Bearer {token}\r\n" if token else ""
        raw = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}Connection: close\r\n\r\n"
        answer = self.send(raw.encode())
        return int(answer.split(b" ", 2)[1]), answer.partition(b"\r\n\r\n")[2]

    def statuses(self, path: str, token: str, calls: int = 12) -> set[int]:
        """Each call is a connection of its own, so every worker gets some."""
        return {self.get(path, token)[0] for _ in range(calls)}


def read_all(connection: ssl.SSLSocket) -> bytes:
    content = b""
    with contextlib.suppress(ConnectionError, TimeoutError):
        while piece := connection.recv(65536):
            content += piece
    return content


def _is_worker(pid: str) -> bool:
    try:
        return b"gateway.worker_process" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):  # it ended while we looked
        return False
