"""Who is behind the present request: what an audit event says of its origin.

The middleware binds the request; everything is computed only where an event is written.
"""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from ipaddress import ip_address
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

# The actor of what no request asked for: tasks, commands, the bootstrap.
SYSTEM: Final = "system"
LONGEST_USER_AGENT: Final = 200
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass
class AuditContext:
    """The origin of the events of one request, or of none.

    `facts` go into the detail of every event of this request; `client_id` is the client that has
    proved who it is.
    """

    request: HttpRequest | None = None
    actor: str = SYSTEM
    client_id: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def address(self) -> str | None:
        """The caller's address; of a proxied request the one that our own proxies saw."""
        return None if self.request is None else client_address(self.request)

    @cached_property
    def user_agent(self) -> str:
        """What the caller calls itself, cut short; a claim, like every header."""
        if self.request is None:
            return ""
        return str(self.request.META.get("HTTP_USER_AGENT", ""))[:LONGEST_USER_AGENT]

    @cached_property
    def request_id(self) -> str:
        """Our own proxies' identifier of the request, or a new one."""
        if self.request is None:
            return ""
        return name_request(self.request.META.get("HTTP_X_REQUEST_ID", ""))

    @property
    def acting(self) -> str:
        """The administrator at work, `system` outside of requests, empty for everybody else.

        Read at each event: an administrator may sign in or out in this very request.
        """
        if self.request is None:
            return self.actor
        if not self.request.path.startswith(_admin_path()):
            return ""
        user = getattr(self.request, "user", None)
        return "" if user is None else str(user.get_username())


_current: Final[ContextVar[AuditContext]] = ContextVar("ims_audit_context")
_NOBODY: Final = AuditContext()


def current() -> AuditContext:
    """Return the context of the present request, or the one of no request."""
    return _current.get(_NOBODY)


@contextmanager
def bind(context: AuditContext) -> Iterator[AuditContext]:
    """Make `context` the present one within the block."""
    reset = _current.set(context)
    try:
        yield context
    finally:
        _current.reset(reset)


def note(**facts: Any) -> None:
    """Put `facts` into the detail of every later event of this request."""
    context = _current.get(None)
    if context is not None:
        context.facts.update(facts)


def identify(client_id: str) -> None:
    """Keep which client the present request is of: it has proved it."""
    context = _current.get(None)
    if context is not None:
        context.client_id = client_id


def client_address(request: HttpRequest) -> str | None:
    """Return the address that made `request`, behind our own proxies (TOLLGATE_TRUSTED_PROXIES).

    A forwarded header that does not fit the number of proxies says nothing: the peer's then.
    The same as allauth's, which reads its settings anew for each request.
    """
    return find_address(
        request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", "")
    )


def find_address(peer: str, forwarded_for: str) -> str | None:
    """Return the address behind our own proxies, of which `peer` is the nearest."""
    proxies: int = settings.ALLAUTH_TRUSTED_PROXY_COUNT
    if not proxies:
        return _clean(peer)
    seen = forwarded_for.split(",")
    return _clean(seen[-proxies].strip() if len(seen) >= proxies else peer)


def name_request(given: str) -> str:
    """Return the identifier that our own proxies have `given` the request, or a new one."""
    # Without a proxy of ours the header is anybody's.
    if settings.ALLAUTH_TRUSTED_PROXY_COUNT and _REQUEST_ID.fullmatch(given):
        return given
    return secrets.token_hex(8)


@lru_cache(maxsize=4096)
def _clean(address: str) -> str | None:
    try:
        return str(ip_address(address.partition("%")[0]))
    except ValueError:
        return None


@cache
def _admin_path() -> str:
    return reverse("admin:index")
