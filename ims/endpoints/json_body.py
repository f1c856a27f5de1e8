"""RFC 8259: the JSON object in a request's body, read strictly."""

from typing import Any, Final

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from django.http.request import UnreadablePostError

from ims.strict_json import MalformedJSON, parse_json
from wire.oauth_errors import InvalidRequest

LARGEST_BODY_BYTES: Final = 65_536


def read_json_object(request: HttpRequest) -> dict[str, Any]:
    """Return the object in the body of `request`.

    Raises InvalidRequest for another media type, more than 64 KiB, malformed JSON, a member named
    twice (readers differ on which one counts), NUL and unpaired surrogates (PostgreSQL has
    neither).
    """
    if request.content_type != "application/json":
        raise InvalidRequest("Send the body as application/json.")
    document = _parse(_read_body(request))
    if not isinstance(document, dict):
        raise InvalidRequest("A JSON object is expected.")
    return document


def read_optional_json_object(request: HttpRequest) -> dict[str, Any]:
    """Return the object in the body, or an empty one where there is no body."""
    return read_json_object(request) if _read_body(request) else {}


def _read_body(request: HttpRequest) -> bytes:
    try:
        body = request.body
    except RequestDataTooBig as error:
        raise _too_large() from error
    except UnreadablePostError as error:
        raise InvalidRequest("The request body ended too early.") from error
    if len(body) > LARGEST_BODY_BYTES:
        raise _too_large()
    return body


def _parse(body: bytes) -> object:
    try:
        return parse_json(body)
    except MalformedJSON as error:
        raise InvalidRequest(f"The request body: {error}") from error


def _too_large() -> InvalidRequest:
    return InvalidRequest(f"The body may have at most {LARGEST_BODY_BYTES} bytes.")
