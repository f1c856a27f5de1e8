"""The road once, as a newcomer would walk it: a token, then a call through the gateway."""

import base64
import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any, Final

from config.first_run.quickstart import Quickstart

_PAUSE_SECONDS: Final = 0.1
_CALL_SECONDS: Final = 10


class RoadBlocked(Exception):
    """A step of the road did not work; the message says which and what was answered."""


def prove(quickstart: Quickstart, timeout_seconds: float, check: Callable[[], None]) -> None:
    """Walk the road; `check` may raise to give up early.

    It is tried again until the time is over: a change reaches the gateway within a second, and
    the processes have only just started. Raises RoadBlocked.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        check()
        try:
            call_sample(quickstart, get_token(quickstart))
        except RoadBlocked:
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def get_token(quickstart: Quickstart) -> str:
    """Return an opaque access token of the demo client (RFC 6749 §4.4)."""
    discovery = f"{quickstart.issuer}/.well-known/oauth-authorization-server"
    endpoint = str(_fetch(urllib.request.Request(discovery)).get("token_endpoint"))  # noqa: S310
    client = quickstart.client
    credentials = f"{client.client_id}:{client.client_secret}".encode()
    form = {
        "grant_type": "client_credentials",
        "scope": client.scope,
        "resource": client.resource,
    }
    request = urllib.request.Request(  # noqa: S310 - the address is this installation's own
        endpoint,
        data=urllib.parse.urlencode(form).encode(),
        headers={"Authorization": f"Basic {base64.b64encode(credentials).decode()}"},
    )
    return str(_fetch(request).get("access_token"))


def call_sample(quickstart: Quickstart, token: str) -> dict[str, Any]:
    """Return what the sample API answered through the gateway."""
    request = urllib.request.Request(  # noqa: S310 - the address is this installation's own
        quickstart.sample.url,
        method=quickstart.sample.method,
        headers={"Authorization": f"Bearer {token}"},
    )
    return _fetch(request, ssl.create_default_context(cafile=quickstart.ca_file))


def _fetch(
    request: urllib.request.Request, context: ssl.SSLContext | None = None
) -> dict[str, Any]:
    where = request.full_url
    try:
        with urllib.request.urlopen(  # noqa: S310 - as above
            request, timeout=_CALL_SECONDS, context=context
        ) as response:
            answer = json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            said = error.read(500).decode(errors="replace")
        raise RoadBlocked(f"{where} answered {error.code}: {said}") from error
    except (OSError, ValueError) as error:
        raise RoadBlocked(f"{where} did not answer as expected: {error}") from error
    if not isinstance(answer, dict):
        raise RoadBlocked(f"{where} answered no JSON object.")
    return answer
