"""Who may import whom, shown on the code as it is and on planted violations."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source_tree import ROOT

BIN = Path(sys.executable).parent
FOREIGN = (
    "django",
    "oauth2_provider",
    "rest_framework",
    "celery",
    "psycopg",
    "requests",
    "allauth",
)


def test_import_contracts_are_kept():
    result = subprocess.run(
        [BIN / "lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert result.returncode == 0, result.stdout


def test_gateway_loads_no_django():
    script = (
        "import sys; import gateway.worker_process; "
        f"print([m for m in sys.modules if m.split('.')[0] in {FOREIGN!r}])"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert result.stdout.strip() == "[]", result.stderr


def test_supervisor_loads_no_django():
    # It starts the servers whose addresses Django's settings read.
    script = "import sys; import config.serve; print('django' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert result.stdout.strip() == "False", result.stderr


@pytest.mark.parametrize("name", ["run.txt", "dev.txt"])
def test_lock_names_no_host_and_hashes_everything(name):
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    pinned = [line for line in lines if line and line[0].isalnum()]

    assert not [line for line in lines if "://" in line or line.startswith("-")]
    assert pinned
    assert all("==" in line and line.endswith("\\") for line in pinned), "an entry has no hash"


def test_dev_lock_pins_what_the_run_lock_pins():
    run, dev = (
        {
            line.split(" ")[0]
            for line in (ROOT / "requirements" / name).read_text().splitlines()
            if line and line[0].isalnum()
        }
        for name in ("run.txt", "dev.txt")
    )

    assert run - dev == set()
