"""Which path templates match the same calls, so that nobody could say whose a call is.

Within an API the more concrete template wins, as in OpenAPI 3 ("matched before their templated
counterparts"): `/orders/mine` beside `/orders/{id}` is meant. `/{kind}/mine` beside `/orders/{id}`
is not: neither is the more concrete one. Between APIs nothing may overlap: a call that both match
would need a token of the one and reach the other.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from ams.catalog.specs import APISpec
from ams.field_checks import FieldChecks

_PARAMETER: Final = "{}"
_REST: Final = "{*}"


@dataclass(frozen=True, slots=True)
class RouteOf:
    """A route as it is told: `slug` is its API's, empty for the API that is checked."""

    method: str
    path: str  # with the base path
    slug: str = ""

    @property
    def segments(self) -> tuple[str, ...]:
        return tuple(_segment(segment) for segment in self.path.split("/")[1:])


@dataclass(slots=True)
class _Node:
    children: dict[str, "_Node"] = field(default_factory=dict)
    routes: list[RouteOf] = field(default_factory=list)


def check_overlaps(spec: APISpec, others: Iterable[RouteOf], checks: FieldChecks) -> None:
    """Add a problem for each operation that overlaps one before it, or a route of `others`."""
    placed = _Node()
    for route in others:
        _place(placed, route)
    for at, operation in enumerate(spec.operations):
        route = RouteOf(operation.method, spec.base_path + operation.path)
        for other in _meeting(placed, route.segments):
            problem = _problem(route, other)
            if problem:
                checks.add(problem, "operations", at, "path")
                break
        _place(placed, route)


def _problem(route: RouteOf, other: RouteOf) -> str:
    where = f"overlaps {other.method} {other.path}"
    if other.slug:
        return f"{where} of the API {other.slug!r}: some calls match both."
    if "*" not in {route.method, other.method} and route.method != other.method:
        return ""
    if _covers(route.segments, other.segments) or _covers(other.segments, route.segments):
        return ""
    return f"{where}: some calls match both, and neither is more concrete."


def _segment(text: str) -> str:
    if text.startswith("{"):
        return _REST if text.endswith("*}") else _PARAMETER
    return text


def _place(root: _Node, route: RouteOf) -> None:
    node = root
    for segment in route.segments:
        node = node.children.setdefault(segment, _Node())
    node.routes.append(route)


def _meeting(node: _Node, segments: tuple[str, ...]) -> Iterator[RouteOf]:
    """Yield the routes below `node` that match a path which `segments` match, too."""
    if not segments:
        yield from node.routes
        return
    first, rest = segments[0], segments[1:]
    for segment, child in node.children.items():
        if segment == _REST:
            yield from child.routes
        elif first == _REST:
            yield from _all_below(child)
        elif segment == first or (_PARAMETER in {segment, first} and segment and first):
            yield from _meeting(child, rest)


def _all_below(node: _Node) -> Iterator[RouteOf]:
    yield from node.routes
    for child in node.children.values():
        yield from _all_below(child)


def _covers(wide: tuple[str, ...], narrow: tuple[str, ...]) -> bool:
    """Whether `wide` matches everything that `narrow` matches; both match something in common."""
    for left, right in zip(wide, narrow, strict=False):
        if left == _REST:
            return True
        if right == _REST or left not in {right, _PARAMETER}:
            return False
    return True
