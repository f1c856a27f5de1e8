"""`/-/healthz` and `/-/readyz`: is the process up, and can it reach what it needs."""

from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse


def healthz(request: HttpRequest) -> HttpResponse:
    """Answer 200 while the process serves requests."""
    del request
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 when PostgreSQL and Valkey answer. Runs one statement and one command."""
    del request
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    cache.get("readyz")
    return JsonResponse({"status": "ready"})
