"""docs/compliance.md is of these tests: what it says is missing is what the generator says."""

import re
from pathlib import Path

from tests.compliance_report import list_what_is_not_supported

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs/compliance.md").read_text()
STANDARD = re.compile(r'mark\.compliance\(\s*"([^"]+)"')


def test_what_is_not_supported_is_told():
    assert DOCUMENT.endswith(list_what_is_not_supported()), "run make compliance"


def test_every_standard_that_is_tested_has_its_table():
    tested = {
        standard
        for path in ROOT.glob("tests/compliance/**/*.py")
        for standard in STANDARD.findall(path.read_text())
    }

    shown = set(re.findall(r"^## (.+)$", DOCUMENT, re.MULTILINE))
    assert tested - shown == set(), "run make compliance"
