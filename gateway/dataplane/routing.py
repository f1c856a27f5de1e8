"""Which operation of which API a path names: one trie of segments for all APIs.

The tree of an API (with the APIs that are mounted below it) hangs in the trie of base paths. It is
worked out from them alone, so the next configuration takes it over while they are the same.

A literal segment wins over a template, as in OpenAPI 3 ("concrete definitions are matched before
their templated counterparts"); when the literal leads nowhere the template is tried. Every node of
a tree is reached on one path only, so a match never costs more than the nodes it could touch.

Paths are matched as the bytes that are forwarded. Where a path holds percent-encoding or
parameters (`;x=1`), an upstream may read it differently: it is matched as raw bytes, decoded, and
without parameters, and refused unless all three name the same operation. So `/%61dmin` and
`/admin;x` can never be authorised as `/{name}` and served as `/admin`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from gateway.dataplane.errors import BadRequest, MethodNotAllowed, NotFound
from gateway.slices import Steps
from wire.gateway_snapshot import API, Operation

_TEMPLATE: Final = re.compile(r"\{[^{}]*\}")
_SEGMENT_SAFE: Final = "!$&'()*+,;=:@~-._"
_MAX_SEGMENTS: Final = 64
_PERCENT: Final = 0x25
_SEMICOLON: Final = 0x3B


class BadTemplate(ValueError):
    """A path template cannot be routed; the message names it."""


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One operation, with everything that is the same for each call of it."""

    api: API
    operation: Operation
    scopes: frozenset[str]
    scope_text: str
    strip: int  # length of the API's base path, which is not forwarded
    group: tuple[API, ...]  # of the tree it is in
    tally: "Tally"
    # RFC 9470: those of the operation, else those of the API.
    acr_values: tuple[str, ...] = ()
    max_auth_age_seconds: int | None = None


class Tally:
    """Where the calls of a route are counted: the first cell of its series; 0 before the first."""

    __slots__ = ("series",)

    def __init__(self) -> None:
        self.series = 0


class _Node:
    __slots__ = ("has_choice", "literals", "methods", "patterns", "rest", "template")

    def __init__(self) -> None:
        self.literals: dict[bytes, _Node] = {}
        self.patterns: list[tuple[re.Pattern[bytes], _Node]] = []
        self.template: _Node | None = None
        self.rest: _Node | None = None
        self.methods: dict[str, Route] = {}
        self.has_choice = False  # patterns or a rest, which need a look at more than one child


# APIs whose base paths lie below that of the first.
_Group = tuple[API, ...]


class Router:
    """The routes of one snapshot."""

    def __init__(self, apis: Iterable[API] = ()) -> None:
        """Place every operation. Raises BadTemplate."""
        self._root = _Node()
        self._trees: dict[str, tuple[_Group, _Node]] = {}  # by base path of the first
        self._with_encoded_slash: tuple[bytes, ...] = ()
        for group in _group(apis):
            self.place(group, None)

    def place(self, group: tuple[API, ...], previous: "Router | None") -> None:
        """Place the APIs of `group`; their routes are those of `previous` if they are the same."""
        base_path = group[0].base_path
        if "{" in base_path:
            raise BadTemplate(f"{group[0].slug}: a base path has no parameters.")
        known = None if previous is None else previous.find_tree(group)
        group, tree = known or (group, _grow(group))
        self._trees[base_path] = (group, tree)
        self._with_encoded_slash += tuple(
            [api.base_path.encode() + b"/" for api in group if api.allow_encoded_slash]
        )
        above, _, last = base_path.rpartition("/")
        _hang(_place(self._root, above) if above else self._root, last, tree)

    def find_tree(self, group: tuple[API, ...]) -> "tuple[tuple[API, ...], _Node] | None":
        """Return the tree of these very objects, with the group that it was made for."""
        found = self._trees.get(group[0].base_path)
        if found is None or len(found[0]) != len(group):
            return None
        for left, right in zip(found[0], group, strict=True):
            if left is not right:
                return None
        return found

    def has(self, route: Route) -> bool:
        """Whether `route` is one of these."""
        found = self._trees.get(route.group[0].base_path)
        return found is not None and found[0] is route.group

    def match(self, method: str, raw_path: bytes) -> Route:
        """Return the route. Raises NotFound, MethodNotAllowed or BadRequest."""
        node = self._resolve(raw_path)
        methods = node.methods
        route = methods.get(method)
        if route is None and method == "HEAD":
            route = methods.get("GET")
        if route is None:
            route = methods.get("*")
        if route is None:
            raise MethodNotAllowed(
                f"{method} is not an operation of this path.", allow_field(methods)
            )
        return route

    def may_hold_encoded_slash(self, raw_path: bytes) -> bool:
        """Whether the path is below an API that takes %2F; asked before anything is routed."""
        return raw_path.startswith(self._with_encoded_slash)

    def routes_at(self, raw_path: bytes) -> dict[str, Route]:
        """Return the routes of a path by method. Raises NotFound or BadRequest."""
        return self._resolve(raw_path).methods

    def _resolve(self, raw_path: bytes) -> _Node:
        segments = raw_path.split(b"/")
        if len(segments) > _MAX_SEGMENTS:
            raise NotFound("The path has too many segments.")
        node = _find(self._root, segments, 1)
        if _PERCENT in raw_path or _SEMICOLON in raw_path:
            self._refuse_ambiguity(node, segments)
        if node is None:
            raise NotFound("No operation of a published API matches the path.")
        return node

    def _refuse_ambiguity(self, node: _Node | None, segments: list[bytes]) -> None:
        decoded = [unquote_to_bytes(segment) for segment in segments]
        bare = [segment.partition(b";")[0] for segment in decoded]
        if _find(self._root, decoded, 1) is not node or _find(self._root, bare, 1) is not node:
            raise BadRequest(
                "Percent-encoding or path parameters hide which operation is meant: "
                "send the path of the operation as it is documented."
            )


def _group(apis: Iterable[API]) -> Iterable[_Group]:
    """Yield the APIs in groups of those whose base paths lie below one another."""
    group: list[API] = []
    # With the slash, "/a", "/a/b", "/a-b" are sorted as they nest.
    for api in sorted(apis, key=lambda api: api.base_path + "/"):
        if group and not f"{api.base_path}/".startswith(f"{group[0].base_path}/"):
            yield tuple(group)
            group = []
        group.append(api)
    if group:
        yield tuple(group)


def _grow(group: _Group) -> _Node:
    """Return the tree below the base path of the group's first API."""
    tree = _Node()
    mounted_at = len(group[0].base_path)
    for api in group:
        below = api.base_path[mounted_at:]
        for operation in api.operations:
            _add(tree, below + operation.path, _route(group, api, operation))
    return tree


def _route(group: _Group, api: API, operation: Operation) -> Route:
    if not operation.path.startswith("/"):
        raise BadTemplate(f"{api.slug}: path {operation.path!r} does not start with /.")
    return Route(
        api=api,
        operation=operation,
        scopes=frozenset(operation.scopes),
        scope_text=" ".join(operation.scopes),
        strip=len(api.base_path.encode()),
        group=group,
        tally=Tally(),
        acr_values=operation.acr_values or api.acr_values,
        max_auth_age_seconds=api.max_auth_age_seconds
        if operation.max_auth_age_seconds is None
        else operation.max_auth_age_seconds,
    )


def _add(tree: _Node, path: str, route: Route) -> None:
    node = _place(tree, path)
    method = route.operation.method
    if method in node.methods:
        text = route.api.base_path + route.operation.path
        raise BadTemplate(f"{route.api.slug}: {method} {text} is there twice.")
    node.methods[method] = route


def make_router(apis: Iterable[API], previous: Router | None) -> Steps[Router]:
    """Return the router of `apis`, with what is the same as in `previous`. Raises BadTemplate."""
    router = Router()
    for group in _group(apis):
        router.place(group, previous)
        yield
    return router


def allow_field(methods: dict[str, Route]) -> str:
    """Return the Allow field of a path with these methods (RFC 9110 §10.2.1)."""
    names = set(methods)
    if "*" in names:
        names = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
    if "GET" in names:
        names.add("HEAD")
    return ", ".join(sorted(names | {"OPTIONS"}))


def _find(start: _Node, segments: list[bytes], at: int) -> _Node | None:
    node = start
    end = len(segments)
    # Most of a way is literal, or one template: it is walked without looking back.
    while at < end and not node.has_choice:
        segment = segments[at]
        child = node.literals.get(segment)
        if child is None:
            child = node.template if segment else None
            if child is None:
                return None
        elif node.template is not None:
            break  # the literal may lead nowhere
        node = child
        at += 1
    if at == end:
        return node if node.methods else None
    return _find_with_choice(node, segments, at)


def _find_with_choice(node: _Node, segments: list[bytes], at: int) -> _Node | None:
    segment = segments[at]
    child = node.literals.get(segment)
    if child is not None:
        found = _find(child, segments, at + 1)
        if found is not None:
            return found
    return _find_template(node, segments, at)


def _find_template(node: _Node, segments: list[bytes], at: int) -> _Node | None:
    segment = segments[at]
    if segment:
        for pattern, child in node.patterns:
            if pattern.fullmatch(segment):
                found = _find(child, segments, at + 1)
                if found is not None:
                    return found
        if node.template is not None:
            found = _find(node.template, segments, at + 1)
            if found is not None:
                return found
    return node.rest


def _place(root: _Node, path: str) -> _Node:
    """Return the node of `path`, made if need be. Raises BadTemplate."""
    node = root
    segments = path.split("/")[1:]
    for at, segment in enumerate(segments):
        if segment.startswith("{") and segment.endswith("*}"):
            if at != len(segments) - 1:
                raise BadTemplate(f"{path}: {segment} must be the last segment.")
            node.rest = node.rest or _Node()
            node.has_choice = True
            node = node.rest
        elif _TEMPLATE.fullmatch(segment):
            node.template = node.template or _Node()
            node = node.template
        elif "{" in segment or "}" in segment:
            node = _pattern_child(node, segment, path)
        else:
            node = _literal_child(node, segment)
    return node


def _literal_child(node: _Node, segment: str) -> _Node:
    child = node.literals.get(_spellings(segment)[0]) or _Node()
    _hang(node, segment, child)
    return child


def _hang(node: _Node, segment: str, child: _Node) -> None:
    for spelling in _spellings(segment):
        node.literals[spelling] = child


@lru_cache(maxsize=65_536)
def _spellings(segment: str) -> tuple[bytes, ...]:
    # The document may spell a character encoded or not; a request may too.
    plain = unquote_to_bytes(segment)
    return plain, quote(plain, safe=_SEGMENT_SAFE).encode()


def _pattern_child(node: _Node, segment: str, path: str) -> _Node:
    literal_parts = _TEMPLATE.split(segment)
    if any("{" in part or "}" in part for part in literal_parts):
        raise BadTemplate(f"{path}: the braces of {segment!r} do not pair.")
    # Lazy wildcards between literals: polynomial at worst, on one segment of a bounded path.
    expression = b"(.+?)".join(re.escape(part.encode()) for part in literal_parts)
    for pattern, child in node.patterns:
        if pattern.pattern == expression:
            return child
    child = _Node()
    node.has_choice = True
    node.patterns.append((re.compile(expression, re.DOTALL), child))
    return child
