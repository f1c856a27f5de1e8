"""RFC 8259: JSON of strangers, read so that no two readers could understand it differently."""

import json


class MalformedJSON(ValueError):
    """The text is no JSON that is taken here; the message says why."""


def parse_json(body: bytes) -> object:
    """Return the value in `body`.

    Raises MalformedJSON for malformed JSON, a member named twice (readers differ on which one
    counts), NUL and unpaired surrogates (PostgreSQL has neither), and numbers beyond a float.
    """
    try:
        value: object = json.loads(
            body.decode(), object_pairs_hook=_build_object, parse_constant=_refuse_constant
        )
        # Unpaired surrogates and numbers beyond a float's range pass the parser and fail here.
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode()
    except MalformedJSON:
        raise
    except (ValueError, RecursionError) as error:
        raise MalformedJSON("It is not well-formed JSON in UTF-8.") from error
    if "\\u0000" in text:
        raise MalformedJSON("NUL is not allowed.")
    return value


def _build_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedJSON("A member of a JSON object is named twice.")
    return members


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
