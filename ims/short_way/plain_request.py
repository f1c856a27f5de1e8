"""The requests that machines send all day, read strictly: anything else is for the view."""

import base64
import binascii
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_plus

from ims.audit import context
from ims.endpoints.client_authentication import PresentedCredentials
from ims.models import Client
from ims.services import record_audit_event
from wire import bearer

_LONGEST_CLIENT_ID: Final = 255
_BASIC: Final = Client.AuthMethod.BASIC.value
_POST: Final = Client.AuthMethod.POST.value


@dataclass(frozen=True, slots=True)
class PlainRequest:
    """A form with each parameter once, all of it ASCII; `headers` have lower-case names."""

    headers: dict[bytes, bytes]
    form: dict[str, str]
    # The address of whoever connected: of a proxy, where there is one in front.
    peer: str

    def find_address(self) -> str | None:
        """Return where the request came from; see `ims.audit.context`."""
        forwarded_for = self.headers.get(b"x-forwarded-for", b"")
        return context.find_address(self.peer, forwarded_for.decode("latin-1"))

    def read_user_agent(self) -> str:
        """Return what the caller calls itself, as the audit log keeps it."""
        agent = self.headers.get(b"user-agent", b"")[: context.LONGEST_USER_AGENT]
        return record_audit_event.storable(agent.decode("latin-1"))

    def name(self) -> str:
        """Return the identifier of the request."""
        return context.name_request(self.headers.get(b"x-request-id", b"").decode("latin-1"))

    def read_credentials(self) -> PresentedCredentials | None:
        """Return the client's identifier and secret, unverified; None where it is not so simple.

        Only secrets of our own making: guesses at others are slowed down by the view.
        """
        header = self.headers.get(b"authorization")
        if header is None:
            return _present(
                self.form.get("client_id", ""), self.form.get("client_secret", ""), _POST
            )
        if "client_secret" in self.form or "client_id" in self.form or header[:6] != b"Basic ":
            return None
        try:
            decoded = base64.b64decode(header[6:], validate=True).decode("ascii")
        except (binascii.Error, UnicodeDecodeError):
            return None
        client_id, _, secret = decoded.partition(":")
        if "%" in client_id or "+" in client_id:
            client_id = unquote_plus(client_id)
        return _present(client_id, secret, _BASIC)


def parse_form(body: bytes, known: Collection[str]) -> dict[str, str] | None:
    """Return the parameters of a form, None unless all are `known`, ASCII and there once."""
    form: dict[str, str] = {}
    try:
        pairs = body.decode("ascii").split("&")
    except UnicodeDecodeError:
        return None
    for pair in pairs:
        name, _, value = pair.partition("=")
        if name not in known or name in form:
            return None
        if "%" in value or "+" in value:
            value = unquote_plus(value)
        if not value.isascii() or "\0" in value:
            return None
        form[name] = value
    return form


def _present(client_id: str, secret: str, method: str) -> PresentedCredentials | None:
    is_simple = client_id.isascii() and "\0" not in client_id
    if not (is_simple and 0 < len(client_id) <= _LONGEST_CLIENT_ID):
        return None
    if not bearer.is_well_formed(secret, bearer.Prefix.CLIENT_SECRET):
        return None
    return PresentedCredentials(client_id, method, bearer.digest(secret))
