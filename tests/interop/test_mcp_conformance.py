"""The Model Context Protocol's own conformance suite, against us as authorization server."""

import itertools
import json
import os
import subprocess
import threading

import httpx
import pytest

from tests.interop.conftest import RESOURCE
from tests.interop.node_scenario import FOLDER, LONGEST_SECONDS
from tests.live_stack import find_free_ports

pytestmark = [pytest.mark.live, pytest.mark.node]
SUITE = "node_modules/@modelcontextprotocol/conformance/dist/index.js"


@pytest.fixture(scope="module")
def report(stack, person, app, resource_server, tmp_path_factory):
    """What the suite found, by the check's id; the person goes where the suite asks to."""
    [port] = find_free_ports(1)
    client = app(
        redirect_uris=[f"http://127.0.0.1:{port}/callback"],
        token_endpoint_auth_method="none",
        scope="interop:read offline_access",
    )
    results = tmp_path_factory.mktemp("conformance")
    options = {
        "--url": stack.issuer,
        "--client-id": client["client_id"],
        "--resource": RESOURCE,
        "--port": str(port),
        "--output-dir": str(results),
    }
    program = ["node", "--import", "./older_node/register.mjs", SUITE, "authorization"]
    process = subprocess.Popen(
        [*program, *itertools.chain.from_iterable(options.items())],
        cwd=FOLDER,
        env={"PATH": os.environ["PATH"], "NODE_EXTRA_CA_CERTS": stack.ca_file},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    watchdog = threading.Timer(LONGEST_SECONDS, process.kill)
    watchdog.start()
    with process:
        said = [_hear(line, stack, person) for line in process.stdout]
    watchdog.cancel()
    checks = [
        check for path in results.rglob("checks.json") for check in json.loads(path.read_text())
    ]
    assert process.returncode == 0, "".join(said)
    return {check["id"]: check for check in checks}


def _hear(line, stack, person):
    if line.startswith(f"{stack.issuer}/"):
        httpx.get(person.follow(line.strip()), timeout=15)
    return line


@pytest.mark.parametrize(
    "check",
    [
        "authorization-server-metadata",
        "authorization-server-metadata-cimd",
        "authorization-code-grant",
    ],
)
def test_requirement_of_authorization_servers_is_met(report, check):
    assert report[check]["status"] == "SUCCESS", report[check]
