import json
import stat

import pytest

from config.first_run.quickstart import (
    Administrator,
    DemoClient,
    DemoDeveloper,
    Quickstart,
    Sample,
    describe,
    read_quickstart,
    write_quickstart,
)

QUICKSTART = Quickstart(
    issuer="http://localhost:8000",
    portal_url="http://localhost:8000/",
    admin_url="http://localhost:8000/admin/",
    gateway_url="https://localhost:8443",
    ca_file="/a b/ca.pem",
    admin=Administrator("admin", "pw"),
    developer=DemoDeveloper("d@t.example", "pw"),
    client=DemoClient("id", "secret", "a b", "https://localhost:8443/orders/v1"),
    sample=Sample("GET", "https://localhost:8443/orders/v1/orders/42"),
)


@pytest.fixture
def path(tmp_path):
    write_quickstart(tmp_path / "quickstart.json", QUICKSTART)
    return tmp_path / "quickstart.json"


def test_members_are_those_that_scripts_rely_on(path):
    document = json.loads(path.read_text())

    assert list(document) == [
        "issuer", "portal_url", "admin_url", "gateway_url", "ca_file",
        "admin", "developer", "client", "sample",
    ]  # fmt: skip
    assert list(document["admin"]) == ["username", "password"]
    assert list(document["developer"]) == ["email", "password"]
    assert list(document["client"]) == ["client_id", "client_secret", "scope", "resource"]
    assert list(document["sample"]) == ["method", "url"]


def test_file_is_private(path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_file_reads_back(path):
    assert read_quickstart(path) == QUICKSTART


def test_printed_lines_are_quoted_for_the_shell(path):
    assert "--cacert '/a b/ca.pem'" in describe(QUICKSTART, path)
    assert "scope='a b'" in describe(QUICKSTART, path)
