import os
import subprocess
import sys

import pytest

_SHOW = (
    "from config import settings as s;"
    "print(s.ALLAUTH_TRUSTED_PROXY_COUNT, s.SECURE_PROXY_SSL_HEADER is not None)"
)


@pytest.mark.parametrize(("proxies", "shown"), [("0", "0 False"), ("2", "2 True")])
def test_headers_of_proxies_are_believed_only_where_there_are_some(proxies, shown):
    environment = os.environ | {"TOLLGATE_TRUSTED_PROXIES": proxies}

    answer = subprocess.run(
        [sys.executable, "-c", _SHOW], env=environment, capture_output=True, text=True, check=True
    )

    assert answer.stdout.strip() == shown
