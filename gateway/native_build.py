"""The hot modules as machine code: which they are, and where a build of just these sources lies.

mypyc compiles them (`make native`). They are plain Python all the same: without a build, or with
one of other sources or another interpreter, workers run them as they are here.
"""

import hashlib
import importlib
import os
import sys
import sysconfig
from pathlib import Path
from typing import Final

# What a call goes through, and nothing else: mypyc is strict about what it takes.
HOT_MODULES: Final = (
    "gateway.access_log",
    "gateway.counters",
    "gateway.dataplane.allowance",
    "gateway.dataplane.bearer_token",
    "gateway.dataplane.call",
    "gateway.dataplane.decision",
    "gateway.dataplane.exchange",
    "gateway.dataplane.forward",
    "gateway.dataplane.forward_auth",
    "gateway.dataplane.headers",
    "gateway.dataplane.hygiene",
    "gateway.dataplane.leases",
    "gateway.dataplane.ledger",
    "gateway.dataplane.phantom_token",
    "gateway.dataplane.pipeline",
    "gateway.dataplane.plane",
    "gateway.dataplane.quota",
    "gateway.dataplane.rate_limit",
    "gateway.dataplane.request_body",
    "gateway.dataplane.routing",
    "gateway.dataplane.stages",
    "gateway.dataplane.token_cache",
    "gateway.dataplane.usage_journal",
    "gateway.front.answer_head",
    "gateway.front.departures",
    "gateway.front.http1",
    "gateway.front.http1_request",
    "gateway.front.outlet",
    "gateway.front.request_head",
    "gateway.front.shared",
    "gateway.recent_calls",
    "gateway.upstream.body",
    "gateway.upstream.client",
    "gateway.upstream.handshake",  # inherits from the two after it, so it must be compiled, too
    "gateway.upstream.http1",
    "gateway.upstream.pool",
    "gateway.upstream.request_head",
    "gateway.upstream.response",
    "gateway.usage.sent_file",
    "wire.bearer",
)
_ROOT: Final = Path(__file__).resolve().parent.parent
_COMPLETE: Final = "complete"  # written last


def sources() -> list[Path]:
    """Return the files that a build is made of, relative to the root of the project."""
    found = [*_ROOT.glob("gateway/**/*.py"), *_ROOT.glob("wire/*.py")]
    return sorted(path.relative_to(_ROOT) for path in found)


def build_path() -> Path:
    """Return where a build of these sources for this interpreter belongs. Reads them all."""
    digest = hashlib.sha256(str(sysconfig.get_config_var("EXT_SUFFIX")).encode())
    for path in sources():
        digest.update(str(path).encode() + b"\0" + (_ROOT / path).read_bytes() + b"\0")
    return _ROOT / "build" / "native" / digest.hexdigest()[:16]


def find_build() -> Path | None:
    """Return the build of these sources, or None where there is none."""
    path = build_path()
    return path if (path / _COMPLETE).exists() else None


def note_complete(build: Path) -> None:
    """Let `build` be used from now on."""
    (build / _COMPLETE).touch()


def is_in_use() -> bool:
    """Whether this process runs compiled modules."""
    module = sys.modules.get("gateway.dataplane.pipeline")
    return module is not None and not str(module.__file__).endswith(".py")


def use_here() -> None:
    """Let this process import from the build; what it has imported before is forgotten.

    Raises FileNotFoundError where there is none.
    """
    build = find_build()
    if build is None:
        raise FileNotFoundError("The gateway's modules are not compiled: run `make native`.")
    packages = {
        "gateway": importlib.import_module("gateway"),
        "wire": importlib.import_module("wire"),
    }
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        if name not in packages:
            del sys.modules[name]
    sys.path.append(str(build))  # the library that all extension modules share lies there
    for name, package in packages.items():
        package.__path__ = [str(build / name)]


def worker_command(build: Path | None) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the command and the environment of a worker process."""
    command: tuple[str, ...] = (sys.executable, "-m", "gateway.worker_process")
    environment = dict(os.environ)
    if build is not None:
        # Without -P the present directory comes first, and with it the plain modules.
        command = (sys.executable, "-P", *command[1:])
        others = environment.get("PYTHONPATH", "")
        environment["PYTHONPATH"] = f"{build}{os.pathsep}{others}" if others else str(build)
    return command, environment
