"""The web role's ASGI application: long polls and tokens first, Django for everything else.

Long polls wait on the event loop, so that a waiting gateway never holds a request thread. Token
requests and introspection have a short way to their views.
"""

import os
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any, Protocol

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
_django: Any = get_asgi_application()  # before the imports below: they need the app registry

from django.conf import settings  # noqa: E402

from ams.http import snapshot_feed  # noqa: E402
from config.notifications import CONFIGURATION, REVOCATION, Notifications  # noqa: E402
from ims.endpoints import revocation_feed  # noqa: E402
from ims.short_way import direct  # noqa: E402
from ims.short_way.door import Door  # noqa: E402

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Companion(Protocol):
    """What lives beside the requests in their event loop; `start` may be called again."""

    def start(self) -> None: ...
    async def stop(self) -> None: ...


def build_application(
    companions: Sequence[Companion], handlers: Mapping[str, Application], otherwise: Application
) -> Application:
    """Return the application that gives an address to its own handler, the rest to `otherwise`."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(companions, receive, send)
        elif scope["type"] == "http":
            await handlers.get(scope["path"], otherwise)(scope, receive, send)

    return application


async def _live(companions: Sequence[Companion], receive: Receive, send: Send) -> None:
    while (await receive())["type"] != "lifespan.shutdown":
        for companion in companions:
            companion.start()
        await send({"type": "lifespan.startup.complete"})
    for companion in companions:
        await companion.stop()
    await send({"type": "lifespan.shutdown.complete"})


_door = Door()
_notifications = Notifications(settings.DATABASE_URL, (REVOCATION, CONFIGURATION))
application = build_application(
    (_notifications, _door.pipeline),
    {
        "/oauth/revocations": revocation_feed.build_application(_notifications.signal(REVOCATION)),
        "/control/v1/snapshot": snapshot_feed.build_application(
            _notifications.signal(CONFIGURATION)
        ),
        **direct.build_applications(
            "/oauth/token", "/oauth/introspect", otherwise=_django, door=_door
        ),
    },
    _django,
)
