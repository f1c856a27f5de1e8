"""Command lines that work when pasted: get a token, call an API through the gateway."""

import re
import shlex
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from ams.data import APIData, OperationData
from portal import ims_client
from portal.errors import TokenServiceUnavailable

_SAMPLE_VALUE = "42"
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_WITH_BODY = {"POST", "PUT", "PATCH"}


@dataclass(frozen=True, slots=True)
class CurlExample:
    token: str
    call: str


def write_curl(
    api: APIData, operation: OperationData | None, *, client_id: str = "$CLIENT_ID"
) -> CurlExample:
    """Return the two commands for an operation; the secret is read from $CLIENT_SECRET.

    Asks for the scopes that this one operation needs, and names the API as the
    token's resource (RFC 8707), which is what makes the token valid for it.
    """
    scopes = " ".join(operation.scopes) if operation else ""
    lines = [
        f'TOKEN=$(curl -s -u "{client_id}:$CLIENT_SECRET" \\',
        "  -d grant_type=client_credentials \\",
        *([f"  -d scope={shlex.quote(scopes)} \\"] if scopes else []),
        f"  -d resource={shlex.quote(api.resource)} \\",
        f"  {shlex.quote(_token_endpoint())} \\",
        r"""  | sed 's/.*"access_token": *"\([^"]*\)".*/\1/')""",
    ]
    return CurlExample(token="\n".join(lines), call=_write_call(api, operation))


def first_read(api: APIData) -> OperationData | None:
    """Return the operation to try first: the first GET."""
    return next((operation for operation in api.operations if operation.method == "GET"), None)


def _write_call(api: APIData, operation: OperationData | None) -> str:
    method = operation.method if operation else "GET"
    path = re.sub(r"\{[^}]*\}", _SAMPLE_VALUE, operation.path) if operation else "/"
    url = shlex.quote(api.public_url.rstrip("/") + path)
    options = [*_trust(), *([] if method in {"GET", "*"} else [f"-X {shlex.quote(method)}"])]
    lines = [" ".join(["curl", *options]), '  -H "Authorization: Bearer $TOKEN"']
    if method in _WITH_BODY:
        lines.append("  -H 'Content-Type: application/json' -d '{}'")
    return " \\\n".join([*lines, f"  {url}"])


def _trust() -> list[str]:
    """Return the option that trusts a local gateway's own authority."""
    if urlsplit(settings.GATEWAY_URL).hostname not in _LOOPBACK:
        return []
    ca_file = settings.HOME / "tls" / "ca.pem"
    if ca_file.is_relative_to(settings.BASE_DIR):
        ca_file = ca_file.relative_to(settings.BASE_DIR)
    return [f"--cacert {shlex.quote(str(ca_file))}"]


def _token_endpoint() -> str:
    try:
        return ims_client.get_token_service().get_endpoint("token_endpoint")
    except TokenServiceUnavailable:  # the page is worth showing all the same
        return f"{settings.ISSUER}/oauth/token"
