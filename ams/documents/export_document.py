"""Write the catalog, plans and open subscriptions as a document that apply takes."""

from typing import Any, Final

import yaml

from ams.documents.kinds import KINDS
from ams.documents.substitution import escape
from ams.marked_yaml import is_text_when_plain
from ams.spec_fields import write_spec

# What an OpenAPI document would fill in is written out, or an empty field would come back filled.
_ALL_BESIDE_OPENAPI: Final = frozenset(
    {"version", "summary", "description", "scopes", "operations"}
)


def export_document() -> str:
    """Return the YAML text. Applying it to the same installation changes nothing."""
    document = {
        kind.section: [_escaped(_write(present.spec)) for present in kind.load()] for kind in KINDS
    }
    return yaml.dump(
        {section: rows for section, rows in document.items() if rows},
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=100,
    )


class _Dumper(yaml.SafeDumper):
    """Writes lists indented, texts of several lines as blocks, and no aliases."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - PyYAML's own signature
        super().increase_indent(flow, False)  # noqa: FBT003 - PyYAML's own signature

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's own signature
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None
    if "\n" in text:
        style = "|"
    elif not is_text_when_plain(text):
        style = "'"  # PyYAML quotes what YAML 1.1 would misread, which is not all of it
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def _write(spec: Any) -> dict[str, Any]:
    has_openapi = getattr(spec, "openapi", None) is not None
    return write_spec(spec, all_of=_ALL_BESIDE_OPENAPI if has_openapi else frozenset())


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, dict):
        return {key: _escaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    return value
