"""What gateways deliver: sealed batches of usage, what they still hold, a sample of calls.

`POST /control/v1/usage-batches`, `/control/v1/usage-reports`, `/control/v1/recent-calls`. With `GET
/control/v1/quota-usage` they ask what is metered of a subscription since a period began.
"""

import functools
import json
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from django.db import InterfaceError, OperationalError, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from ams.errors import RecentCallsUnavailable, TokenServiceUnavailable
from ams.http import control_access
from ams.http.control_access import Answer
from ams.metering.fold_queue import fold_queue
from ams.metering.queries.count_metered_calls import count_metered_calls
from ams.metering.queries.get_reconciled_minute import get_reconciled_minute
from ams.metering.recent_call_store import add_calls
from ams.metering.services.note_usage_report import note_usage_report
from ams.metering.services.store_usage_batch import store_usage_batch
from wire.oauth_errors import OAuthError
from wire.problem import Problem
from wire.recent_calls import MalformedRecentCalls, parse_recent_calls
from wire.usage_batch import MalformedBatch
from wire.usage_report import MalformedReport, parse_report

logger = logging.getLogger(__name__)

LARGEST_BODY_BYTES: Final = 1_048_576
_IDENTIFIER: Final = re.compile(r"[0-9A-Za-z-]{1,64}")
_UNIX_SECONDS: Final = re.compile(r"[0-9]{1,11}")

View = Callable[[HttpRequest], HttpResponse]


class BadParameter(Exception):
    """A parameter of the query is unusable; the message names it."""


class BatchTooLarge(Exception):
    """The body is larger than LARGEST_BODY_BYTES."""


def _answers_problems(view: View) -> View:
    """Let `view` raise; each error becomes its problem document here."""

    @functools.wraps(view)
    def answering(request: HttpRequest) -> HttpResponse:
        try:
            return view(request)
        except OAuthError as error:
            return _respond(control_access.answer_refusal(error))
        except (MalformedBatch, MalformedReport, MalformedRecentCalls, BadParameter) as error:
            return _respond(control_access.answer_bad_parameter(str(error)))
        except BatchTooLarge:
            return _respond(_answer_too_large())
        except TokenServiceUnavailable as error:
            return _respond(control_access.answer_unchecked(error))
        except RecentCallsUnavailable as error:
            return _respond(control_access.answer_store_unavailable(error))
        except (OperationalError, InterfaceError):
            logger.exception("Usage can be neither stored nor read.")
            return _respond(control_access.answer_unavailable())

    return answering


# The caller is a gateway with a bearer token; no browser sends one by itself.
@csrf_exempt
@_answers_problems
def accept_usage_batch(request: HttpRequest) -> HttpResponse:
    """Answer 201 when the batch is stored, 200 when it was there already.

    Whoever gets either may forget the batch: it is committed. Folding is asked for afterwards.
    """
    if request.method != "POST":
        return _respond(control_access.answer_wrong_method("POST"))
    authorization = request.headers.get("Authorization")
    control_access.require_gateway([authorization] if authorization is not None else [])
    is_new = store_usage_batch(document=_read_document(request))
    if is_new:
        transaction.on_commit(fold_queue.enqueue)
    return HttpResponse(status=201 if is_new else 200)


@csrf_exempt
@_answers_problems
def accept_usage_report(request: HttpRequest) -> HttpResponse:
    """Answer 200 with the last reconciled minute, for the worker's own metrics."""
    if request.method != "POST":
        return _respond(control_access.answer_wrong_method("POST"))
    authorization = request.headers.get("Authorization")
    control_access.require_gateway([authorization] if authorization is not None else [])
    note_usage_report(report=parse_report(_read_document(request)))
    reconciled = get_reconciled_minute()
    minute = int(reconciled.timestamp()) if reconciled is not None else None
    return JsonResponse({"reconciled_minute": minute})


@csrf_exempt
@_answers_problems
def accept_recent_calls(request: HttpRequest) -> HttpResponse:
    """Answer 204 when the sample is kept. Nobody sends one again: it is for people to look at."""
    if request.method != "POST":
        return _respond(control_access.answer_wrong_method("POST"))
    authorization = request.headers.get("Authorization")
    control_access.require_gateway([authorization] if authorization is not None else [])
    add_calls(parse_recent_calls(_read_document(request)))
    return HttpResponse(status=204)


@_answers_problems
def answer_quota_usage(request: HttpRequest) -> HttpResponse:
    """Answer `{"calls": n}`: what is metered of `subscription` since `since` (Unix seconds).

    Asked by a gateway that finds no count of a quota in Valkey although the period is not new: the
    first call of a subscription in it, a quota that was just added, or data that was lost.
    """
    if request.method != "GET":
        return _respond(control_access.answer_wrong_method("GET"))
    authorization = request.headers.get("Authorization")
    control_access.require_gateway([authorization] if authorization is not None else [])
    subscription, since = request.GET.get("subscription", ""), request.GET.get("since", "")
    if not _IDENTIFIER.fullmatch(subscription):
        raise BadParameter("subscription: the id of a subscription is expected.")
    if not _UNIX_SECONDS.fullmatch(since):
        raise BadParameter("since: Unix seconds are expected.")
    calls = count_metered_calls(
        subscription_id=subscription, since=datetime.fromtimestamp(int(since), tz=UTC)
    )
    return JsonResponse({"calls": calls}, headers={"Cache-Control": "no-store"})


def _read_document(request: HttpRequest) -> object:
    body = request.read(LARGEST_BODY_BYTES + 1)
    if len(body) > LARGEST_BODY_BYTES:
        raise BatchTooLarge
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedBatch(f"The body is not JSON: {error}") from error


def _answer_too_large() -> Answer:
    detail = f"A document has at most {LARGEST_BODY_BYTES:,} bytes. Send smaller ones."
    return control_access.answer_problem(
        Problem(413, "/problems/content-too-large", "The request body is too large", detail)
    )


def _respond(answer: Answer) -> HttpResponse:
    return HttpResponse(answer.body, status=answer.status, headers=answer.headers)
