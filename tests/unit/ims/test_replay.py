import os
import subprocess
import sys
from pathlib import Path

import pytest

from ims.replay import is_first_use
from wire.oauth_errors import TemporarilyUnavailable

ANOTHER_PROCESS = """
import django; django.setup()
from ims.replay import is_first_use
for jti in ("jti-1", "jti-2"):
    print(is_first_use("proof", "jkt", jti, seconds=60))
"""


def test_value_counts_once():
    assert is_first_use("proof", "jkt", "jti-1", seconds=60) is True
    assert is_first_use("proof", "jkt", "jti-1", seconds=60) is False


@pytest.mark.parametrize(
    "other", [("assertion", "jkt", "jti"), ("proof", "jk", "tjti"), ("proof", "jktjti")]
)
def test_other_kinds_and_other_cuts_are_other_values(other):
    is_first_use("proof", "jkt", "jti", seconds=60)

    assert is_first_use(*other, seconds=60) is True


def test_another_process_knows_what_this_one_has_seen():
    is_first_use("proof", "jkt", "jti-1", seconds=60)

    environ = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    said = subprocess.run(
        [sys.executable, "-c", ANOTHER_PROCESS],
        env=environ,
        cwd=Path(__file__).resolve().parents[3],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout

    assert said.split() == ["False", "True"]


def test_what_cannot_be_checked_is_refused(settings):
    settings.CACHES = settings.CACHES | {
        "default": settings.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:1/0"}
    }

    with pytest.raises(TemporarilyUnavailable):
        is_first_use("proof", "jkt", "jti", seconds=60)
