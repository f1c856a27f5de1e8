"""Scenarios in JavaScript: `node/<library>/<name>.mjs`, fed with JSON, answering with JSON."""

import functools
import json
import os
import shutil
import subprocess
from pathlib import Path

FOLDER = Path(__file__).with_name("node")
OLDEST_NODE = 20
LONGEST_SECONDS = 90


@functools.cache
def find_obstacle():
    """Why scenarios cannot run here, or None."""
    node = shutil.which("node")
    if node is None:
        return "no node on the PATH (Debian: nodejs)"
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.removeprefix("v").split(".")[0]) < OLDEST_NODE:
        return f"node {OLDEST_NODE} or newer is needed, and this is {version.strip()}"
    if not (FOLDER / "node_modules").is_dir():
        return "tests/interop/node/node_modules is missing (make node-modules)"
    return None


def run_scenario(name, config, *, ca_file):
    """Return what the scenario answered; an AssertionError with its words when it failed."""
    done = subprocess.run(
        ["node", "harness.mjs", f"./{name}.mjs"],
        cwd=FOLDER,
        env={"PATH": os.environ["PATH"], "NODE_EXTRA_CA_CERTS": ca_file},
        input=json.dumps(config),
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{name}:\n{done.stdout}{done.stderr}"
    return json.loads(done.stdout)
