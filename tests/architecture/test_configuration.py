"""Each variable that the code reads is in docs/configuration.md, and none besides."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAME = re.compile(r"\bTOLLGATE_[A-Z_]+[A-Z]\b")
# Between our own processes; nobody sets them.
INTERNAL = {
    "TOLLGATE_GATEWAY_LISTEN_FD",
    "TOLLGATE_GATEWAY_SENT_FILE",
    "TOLLGATE_READY_FILE",
}
PACKAGES = ("config", "gateway", "ims", "ams", "portal", "demo")


def names_in(*patterns):
    return {
        name
        for pattern in patterns
        for path in ROOT.glob(pattern)
        for name in NAME.findall(path.read_text())
    }


def test_variables_of_the_code_are_documented():
    used = names_in(*(f"{package}/**/*.py" for package in PACKAGES))

    assert used - INTERNAL - names_in("docs/configuration.md") == set()


def test_documented_variables_are_read():
    used = names_in(*(f"{package}/**/*.py" for package in (*PACKAGES, "tests")), "demo/*.yaml")

    assert names_in("docs/configuration.md") - used == set()
