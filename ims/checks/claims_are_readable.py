"""OpenID Connect Core §5.5: the `claims` parameter."""

from collections.abc import Mapping
from typing import Any, Final

from ims.authorization.authentication import SUPPORTED_ACRS
from ims.authorization.request import AuthorizationRequest
from ims.strict_json import MalformedJSON, parse_json
from wire.oauth_errors import InvalidRequest, UnmetAuthenticationRequirements

_LONGEST: Final = 4096  # characters
_MOST_NAMES: Final = 50
_LONGEST_NAME: Final = 128
_WHERE: Final = ("id_token", "userinfo")
# Our own member: what the access token is to say (RFC 8693 §4.4).
_ACCESS_TOKEN: Final = "access_token"  # noqa: S105 - a member of the parameter

Entries = Mapping[str, Mapping[str, Any]]


def check(request: AuthorizationRequest) -> None:
    """Set `requested_claims`, `essential_acrs` and `may_act`; sharpen `expected_subject`.

    A claim asked for by name is told only where a scope that the person allows opens it: the
    consent page speaks of scopes. Members that are not understood are ignored (§5.5), and so are
    values of claims that we do not choose ourselves. Raises InvalidRequest, and
    UnmetAuthenticationRequirements for an essential `acr` that nobody here can reach.
    """
    members = _parse(request.value("claims"))
    asked = {where: _read_entries(members, where) for where in _WHERE}
    request.requested_claims = {
        where: tuple(entries) for where, entries in asked.items() if entries
    }
    request.may_act = _read_may_act(_read_entries(members, _ACCESS_TOKEN))
    _take_acr(request, asked["id_token"])
    for entries in asked.values():
        _take_subject(request, entries)


def _parse(text: str) -> Mapping[str, Any]:
    if not text:
        return {}
    try:
        document = parse_json(text.encode("utf-8", "replace")) if len(text) <= _LONGEST else None
    except MalformedJSON:
        document = None
    if not isinstance(document, dict):
        raise InvalidRequest(f"claims: a JSON object of at most {_LONGEST} characters is expected.")
    return document


def _read_entries(members: Mapping[str, Any], where: str) -> Entries:
    """Return what is asked for at `where`; null stands for a voluntary claim (§5.5.1)."""
    entries = members.get(where)
    if entries is None:
        return {}
    if not isinstance(entries, dict) or len(entries) > _MOST_NAMES:
        raise InvalidRequest(f"claims: {where} is an object of at most {_MOST_NAMES} claims.")
    for name, entry in entries.items():
        if len(name) > _LONGEST_NAME or not isinstance(entry, dict | None):
            raise InvalidRequest(f"claims: each claim of {where} is null or an object.")
    return {name: entry or {} for name, entry in entries.items()}


def _take_acr(request: AuthorizationRequest, entries: Entries) -> None:
    """§5.5.1.1: essential values must be met, voluntary ones are like `acr_values`."""
    request.essential_acrs = ()
    entry = entries.get("acr", {})
    values = _list_values("acr", entry)
    known = tuple(value for value in values if value in SUPPORTED_ACRS)
    if entry.get("essential") is True and values:
        if not known:
            raise UnmetAuthenticationRequirements("claims: none of the acr values is known here.")
        request.essential_acrs = known
    elif values:
        request.acr_values = known


def _take_subject(request: AuthorizationRequest, entries: Entries) -> None:
    """§5.5.1: with a value for `sub`, nobody else's tokens may be the answer."""
    values = _list_values("sub", entries.get("sub", {}))
    if not values:
        return
    if len(values) > 1 or request.expected_subject not in {"", values[0]}:
        raise InvalidRequest("claims: sub names one person, the one of id_token_hint.")
    request.expected_subject = values[0]


def _read_may_act(entries: Entries) -> tuple[str, ...] | None:
    return _list_values("may_act", entries["may_act"]) if "may_act" in entries else None


def _list_values(name: str, entry: Mapping[str, Any]) -> tuple[str, ...]:
    values = entry.get("values", [entry["value"]] if "value" in entry else [])
    if not isinstance(values, list) or len(values) > _MOST_NAMES:
        raise InvalidRequest(f"claims: values of {name} is a list.")
    if not all(isinstance(value, str) and 0 < len(value) <= 255 for value in values):
        raise InvalidRequest(f"claims: each value of {name} is a text of 1 to 255 characters.")
    return tuple(dict.fromkeys(values))
