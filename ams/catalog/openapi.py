"""OpenAPI 3.0 and 3.1: what a document says of an API's operations and scopes.

Whatever the gateway has no use for is left alone; what it would need and cannot use is listed as
a warning. Nothing is fetched: a remote `$ref` is refused where it would matter.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from ams.catalog.checks.api import RESERVED_SCOPES
from ams.catalog.checks.path_template import template_problem
from ams.catalog.specs import OperationSpec, ScopeSpec
from ams.errors import InvalidDocument
from ams.marked_yaml import MarkedDocument, Path

_METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch")
_UNSUPPORTED: Final = {
    "trace": "the gateway does not forward it.",
    "servers": "calls go to the API's upstream.",
}
_NOT_ID: Final = re.compile(r"[^A-Za-z0-9_.:-]+")
_MOST_REFERENCES: Final = 10
_SCHEMES_WITH_SCOPES: Final = ("oauth2", "openIdConnect")


@dataclass(slots=True)
class OpenAPIReading:
    """What was understood of a document, and what was left out of it."""

    name: str = ""
    version: str = ""
    summary: str = ""
    description: str = ""
    base_path: str = ""
    scopes: tuple[ScopeSpec, ...] = ()
    operations: tuple[OperationSpec, ...] = ()
    warnings: list[str] = field(default_factory=list)


def read_openapi(document: MarkedDocument) -> OpenAPIReading:
    """Return what `document` says of an API. Raises InvalidDocument, naming the place."""
    return _Reader(document).read()


@dataclass(slots=True)
class _Reader:
    document: MarkedDocument
    warnings: list[str] = field(default_factory=list)
    scopes: dict[str, str] = field(default_factory=dict)

    def read(self) -> OpenAPIReading:
        root = self.mapping((), self.document.data)
        version = root.get("openapi")
        if not isinstance(version, str) or not re.fullmatch(r"3\.[01]\.\d+", version):
            raise self.refuse(
                f"OpenAPI 3.0 or 3.1 is needed, and this says {version!r}.", ("openapi",)
            )
        info = self.mapping(("info",), root.get("info", {}))
        self.read_schemes(root)
        operations = tuple(self.operations(root))
        return OpenAPIReading(
            name=_text(info.get("title"), 128),
            version=_text(info.get("version"), 32),
            summary=_text(info.get("summary"), 256),
            description=_text(info.get("description")),
            base_path=self.base_path(root),
            scopes=tuple(ScopeSpec(name=n, description=d) for n, d in self.scopes.items()),
            operations=operations,
            warnings=self.warnings,
        )

    def mapping(self, path: Path, value: object) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise self.refuse("an object is expected.", path)
        return value

    def refuse(self, message: str, path: Path) -> InvalidDocument:
        place = "/".join(map(str, path))
        return InvalidDocument(
            f"{place}: {message}" if place else message, where=self.document.where(path)
        )

    def warn(self, message: str, path: Path) -> None:
        self.warnings.append(f"{self.document.where(path)}: {'/'.join(map(str, path))}: {message}")

    def base_path(self, root: Mapping[str, Any]) -> str:
        servers = root.get("servers")
        if isinstance(servers, list) and servers and isinstance(servers[0], Mapping):
            url = str(servers[0].get("url", ""))
            try:
                path = urlsplit(url).path.rstrip("/")
            except ValueError:
                return ""
            return "" if "{" in url else path
        return ""

    def read_schemes(self, root: Mapping[str, Any]) -> None:
        components = self.mapping(("components",), root.get("components", {}))
        here = ("components", "securitySchemes")
        for name, given in self.mapping(here, components.get("securitySchemes", {})).items():
            scheme = self.resolve(root, (*here, name), given)
            if scheme.get("type") == "oauth2":
                self.read_flows((*here, name, "flows"), scheme.get("flows", {}))
            elif scheme.get("type") not in _SCHEMES_WITH_SCOPES:
                self.warn(
                    f"{scheme.get('type')!r} is left out: the gateway takes bearer tokens only.",
                    (*here, name),
                )

    def read_flows(self, path: Path, flows: object) -> None:
        for name, flow in self.mapping(path, flows).items():
            if name.startswith("x-"):
                continue
            here = (*path, name, "scopes")
            scopes = self.mapping(here, self.mapping((*path, name), flow).get("scopes", {}))
            for scope, description in scopes.items():
                if scope in RESERVED_SCOPES:
                    self.warn(f"{scope!r} is left out: it belongs to OpenID Connect.", here)
                    continue
                self.scopes.setdefault(scope, _text(description, 256))

    def resolve(self, root: Mapping[str, Any], path: Path, value: object) -> Mapping[str, Any]:
        """Return the object at `path`, following `$ref` within the document (RFC 6901)."""
        found = self.mapping(path, value)
        for _ in range(_MOST_REFERENCES):
            reference = found.get("$ref")
            if reference is None:
                return found
            if not isinstance(reference, str) or not reference.startswith("#/"):
                raise self.refuse(
                    f"{reference!r} leads out of the document; nothing is fetched:"
                    " bundle the document first.",
                    (*path, "$ref"),
                )
            found = self.mapping((*path, "$ref"), self.follow(root, path, reference))
        raise self.refuse("references lead on and on.", path)

    def follow(self, root: Mapping[str, Any], path: Path, reference: str) -> object:
        found: object = root
        for step in reference[2:].split("/"):
            name = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, Mapping) or name not in found:
                raise self.refuse(f"{reference!r} leads nowhere.", (*path, "$ref"))
            found = found[name]
        return found

    def operations(self, root: Mapping[str, Any]) -> Iterator[OperationSpec]:
        for template, given in self.mapping(("paths",), root.get("paths", {})).items():
            here = ("paths", template)
            problem = template_problem(template)
            if problem and not template.startswith("x-"):
                self.warn(f"is left out: {problem}", here)
            if problem:
                continue
            item = self.resolve(root, here, given)
            for name in _UNSUPPORTED.keys() & item.keys():
                self.warn(f"is left out: {_UNSUPPORTED[name]}", (*here, name))
            for method in _METHODS:
                if method in item:
                    operation = self.mapping((*here, method), item[method])
                    yield self.operation(root, (*here, method), operation)

    def operation(
        self, root: Mapping[str, Any], path: Path, operation: Mapping[str, Any]
    ) -> OperationSpec:
        _, template, method = path
        name = operation.get("operationId") or f"{method}{template}"
        return OperationSpec(
            operation_id=_NOT_ID.sub("_", str(name)).strip("_")[:128] or str(method),
            method=str(method).upper(),
            path=str(template),
            summary=_text(operation.get("summary"), 256),
            scopes=self.required_scopes(path, operation.get("security", root.get("security"))),
        )

    def required_scopes(self, path: Path, security: object) -> tuple[str, ...]:
        """Return the scopes of the first alternative; the gateway asks for all of them."""
        if not isinstance(security, list) or not security:
            return ()
        alternatives = [row for row in security if isinstance(row, Mapping)]
        if len(alternatives) != len(security):
            raise self.refuse("a list of objects is expected.", (*path, "security"))
        scoped = [row for row in alternatives if any(row.values())]
        if len(alternatives) > 1:
            # The stricter reading: an alternative without scopes would open the operation.
            self.warn("only one alternative is used, the first with scopes.", (*path, "security"))
        needed = scoped[0] if scoped else {}
        names = [
            str(scope)
            for scopes in needed.values()
            for scope in _list(scopes)
            if scope not in RESERVED_SCOPES
        ]
        for scope in names:
            if scope not in self.scopes:
                self.warn(f"{scope!r} is not declared by a security scheme; it is added.", path)
                self.scopes[scope] = ""
        return tuple(dict.fromkeys(names))


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object, longest: int | None = None) -> str:
    return str(value)[:longest].replace("\x00", "") if isinstance(value, str) else ""
