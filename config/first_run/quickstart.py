"""`quickstart.json`: what a newcomer, or a script, needs to use this installation."""

import json
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path

from config.private_files import write_private


@dataclass(frozen=True)
class Administrator:
    username: str
    password: str


@dataclass(frozen=True)
class DemoDeveloper:
    email: str
    password: str


@dataclass(frozen=True)
class DemoClient:
    client_id: str
    client_secret: str
    scope: str
    resource: str


@dataclass(frozen=True)
class Sample:
    method: str
    url: str


@dataclass(frozen=True)
class Quickstart:
    """The members are a promise to people's scripts: see `docs/quickstart.md`."""

    issuer: str
    portal_url: str
    admin_url: str
    gateway_url: str
    ca_file: str
    admin: Administrator
    developer: DemoDeveloper
    client: DemoClient
    sample: Sample


def write_quickstart(path: Path, quickstart: Quickstart) -> None:
    """Write the file with mode 0600."""
    write_private(path, json.dumps(asdict(quickstart), indent=2) + "\n")


def read_quickstart(path: Path) -> Quickstart:
    """Return what `write_quickstart` wrote. Raises OSError, ValueError and TypeError."""
    members = json.loads(path.read_text())
    members["admin"] = Administrator(**members["admin"])
    members["developer"] = DemoDeveloper(**members["developer"])
    members["client"] = DemoClient(**members["client"])
    members["sample"] = Sample(**members["sample"])
    return Quickstart(**members)


def describe(quickstart: Quickstart, path: Path) -> str:
    """Return the summary of a start: addresses, credentials and lines that work when pasted."""
    q = quickstart
    extract = """python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])'"""
    credentials = shlex.quote(f"{q.client.client_id}:{q.client.client_secret}")
    return f"""
  Portal    {q.portal_url}    {q.developer.email} / {q.developer.password}
  Admin     {q.admin_url}    {q.admin.username} / {q.admin.password}
  Mailbox   {q.issuer}/-/mail/
  Gateway   {q.gateway_url}
  All of this is in {path}

  An opaque token goes out, the API sees a JWT:

TOKEN=$(curl -sS -u {credentials} \\
  -d grant_type=client_credentials -d scope={shlex.quote(q.client.scope)} \\
  -d resource={shlex.quote(q.client.resource)} \\
  {q.issuer}/oauth/token | {extract})
curl -sS --cacert {shlex.quote(q.ca_file)} -H "Authorization: Bearer $TOKEN" \\
  {shlex.quote(q.sample.url)}
"""
