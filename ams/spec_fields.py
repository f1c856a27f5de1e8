"""Specs from the plain values of a document, and back: one rule for every kind of spec."""

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar

from ams.field_checks import FieldChecks, Path, suggest

Spec = TypeVar("Spec")

_UNUSABLE: Final = object()
_WORDS: Final = {
    str: "text (in quotes, if it looks like a number)",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    Decimal: "a decimal number",
    datetime: "a time such as 2026-10-01T00:00:00Z",
}


def read_spec(kind: type[Spec], value: object, path: Path, checks: FieldChecks) -> Spec | None:
    """Return the spec in `value`, or None when a problem was added to `checks`."""
    if not isinstance(value, Mapping):
        checks.add("a mapping of names to values is expected.", *path)
        return None
    hints: dict[str, Any] = _hints(kind)  # type: ignore[arg-type]  # a class is hashable
    problems_before = len(checks.problems)
    for name in value:
        if name not in hints:
            known = ", ".join(hints)
            checks.add(f"unknown; known are {known}.{suggest(name, hints)}", *path, name)
    for name in _required(kind):  # type: ignore[arg-type]  # a class is hashable
        if name not in value:
            checks.add(f"{name!r} is missing.", *path)
    members = {
        name: _read_value(hints[name], item, (*path, name), checks)
        for name, item in value.items()
        if name in hints
    }
    if len(checks.problems) > problems_before:
        return None
    return kind(**members)


def write_spec(spec: Any, *, all_of: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return the plain values of `spec`, without defaults but for the names in `all_of`."""
    values = {}
    for field in dataclasses.fields(spec):
        value = getattr(spec, field.name)
        if value != field.default or field.name in all_of:
            values[field.name] = _write_value(value)
    return values


def _write_value(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return write_spec(value)
    if isinstance(value, tuple):
        return [_write_value(item) for item in value]
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


@functools.cache
def _required(kind: Any) -> tuple[str, ...]:
    missing = dataclasses.MISSING
    return tuple(field.name for field in dataclasses.fields(kind) if field.default is missing)


def _read_value(hint: Any, value: object, path: Path, checks: FieldChecks) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        if value is None:
            return None
        return _read_value(arguments[0], value, path, checks)
    if origin is tuple:
        return _read_list(arguments[0], value, path, checks)
    if origin is Mapping:
        if not isinstance(value, Mapping):
            checks.add("a mapping is expected.", *path)
        return value
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return read_spec(hint, value, path, checks)
    return _read_scalar(hint, value, path, checks)


def _read_list(hint: Any, value: object, path: Path, checks: FieldChecks) -> tuple[Any, ...]:
    if not isinstance(value, list):
        checks.add("a list is expected.", *path)
        return ()
    return tuple(_read_value(hint, item, (*path, at), checks) for at, item in enumerate(value))


def _read_scalar(hint: Any, value: object, path: Path, checks: FieldChecks) -> Any:
    read = _convert(hint, value)
    if read is _UNUSABLE:
        checks.add(f"{_WORDS[hint]} is expected.", *path)
    return read


def _convert(hint: Any, value: object) -> object:
    if hint is Decimal and isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return Decimal(str(value))
        except InvalidOperation:
            return _UNUSABLE
    if hint is datetime and isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return _UNUSABLE
    if hint is float and type(value) is int:
        return float(value)
    return value if type(value) is hint else _UNUSABLE
