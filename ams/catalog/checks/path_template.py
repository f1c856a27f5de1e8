"""OpenAPI path templates as the gateway routes them: a segment is text or one `{name}`."""

import re
from typing import Final

# RFC 3986 pchar without percent-encoding: the gateway compares raw bytes, so an encoded
# template could be written in two ways and match in one.
_LITERAL: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@-]*")
_PARAMETER: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.-]*)\}")
_REST: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.-]*)\*\}")


def template_problem(path: str) -> str:
    """Return why `path` cannot be routed, or nothing."""
    if not path.startswith("/"):
        return f"{path!r} must start with /."
    segments = path[1:].split("/")
    names: list[str] = []
    for at, segment in enumerate(segments):
        problem = _segment_problem(segment, is_last=at == len(segments) - 1, names=names)
        if problem:
            return f"{path!r}: {problem}"
    return ""


def template_shape(path: str) -> str:
    """Return `path` with unnamed parameters: two templates of one shape match the same calls."""
    return _PARAMETER.sub("{}", _REST.sub("{*}", path))


def _segment_problem(segment: str, *, is_last: bool, names: list[str]) -> str:
    if segment in {".", ".."} or (not segment and not is_last):
        return "empty and dot segments are not allowed."
    parameter = _PARAMETER.fullmatch(segment) or _REST.fullmatch(segment)
    if parameter is None:
        if _LITERAL.fullmatch(segment):
            return ""
        return f"{segment!r} must be plain text, or one parameter such as {{order_id}}."
    if parameter[1] in names:
        return f"the parameter {parameter[1]!r} occurs twice."
    names.append(parameter[1])
    if segment.endswith("*}") and not is_last:
        return f"{segment!r} takes every deeper path, so it must come last."
    return ""
