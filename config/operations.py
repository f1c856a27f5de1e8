"""`/-/healthz` and `/-/readyz`, and the mailbox of a development installation."""

import email
import email.policy
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final

import redis
from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from ims.queries.partitions import list_tables_without_partitions
from wire.problem import MEDIA_TYPE, Problem

_SHOWN_MAILS: Final = 100
# django.core.mail's file backend ends each message with such a line.
_SEPARATOR: Final = b"\n" + b"-" * 79 + b"\n"


@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer 200 while the process serves requests."""
    del request
    return JsonResponse({"status": "ok"})


@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 when PostgreSQL and Valkey answer, else 503 and who does not.

    With 200, `warnings` says what works still and will not for long. Runs two statements and one
    command.
    """
    del request
    silent = [name for name, ask in _SERVERS.items() if not ask()]
    if not silent:
        return JsonResponse({"status": "ready", "warnings": _list_warnings()})
    problem = Problem(
        status=503,
        type="/problems/not-ready",
        title="Not ready",
        detail=f"No answer from {' and '.join(silent)}.",
        extensions={"servers": silent},
    )
    return HttpResponse(problem.encode(), status=503, content_type=MEDIA_TYPE)


def _list_warnings() -> list[str]:
    return [
        f"{table} has rows without a partition: see that the worker and beat roles run."
        for table in list_tables_without_partitions()
    ]


def _ask_database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def _ask_cache() -> bool:
    try:
        cache.get("readyz")
    except (redis.RedisError, OSError):
        return False
    return True


_SERVERS: Final = {"PostgreSQL": _ask_database, "Valkey": _ask_cache}


@never_cache
def list_mail(request: HttpRequest) -> HttpResponse:
    """Show what was sent, newest first; 404 in production. Reads every file of the mailbox."""
    return render(request, "config/mailbox.html", {"messages": _list_messages()})


@never_cache
def show_mail(request: HttpRequest, index: int) -> HttpResponse:
    """Show the message of that number; numbers stay as mails arrive."""
    messages = [message for message in _list_messages() if message["index"] == index]
    if not messages:
        raise Http404("There is no such message.")
    return render(request, "config/mailbox.html", {"messages": messages})


def _list_messages() -> list[dict[str, Any]]:
    if settings.MAILBOX_DIR is None:
        raise Http404("There is no mailbox.")
    folder = Path(settings.MAILBOX_DIR)
    files = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime_ns)
    mails = [mail for path in files for mail in _read_mails(path)]
    numbered = [_describe(index, mail) for index, mail in enumerate(mails, start=1)]
    return numbered[-_SHOWN_MAILS:][::-1]


def _read_mails(path: Path) -> Iterator[EmailMessage]:
    for part in path.read_bytes().split(_SEPARATOR):
        if part.strip():
            yield email.message_from_bytes(part.lstrip(), policy=email.policy.default)


def _describe(index: int, mail: EmailMessage) -> dict[str, Any]:
    body = mail.get_body(preferencelist=("plain",))
    return {
        "index": index,
        "to": str(mail["To"]),
        "subject": str(mail["Subject"]),
        "date": mail["Date"].datetime if mail["Date"] else None,
        "text": body.get_content() if body is not None else "",
    }
