"""Create or change an API from an OpenAPI document."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction

from ams.catalog.models import API
from ams.catalog.openapi import OpenAPIReading, read_openapi
from ams.catalog.queries.spec_of import spec_of_api
from ams.catalog.services.save_api import save_api
from ams.catalog.specs import APISpec
from ams.errors import InvalidDocument
from ams.marked_yaml import parse_marked

MOST_CHARACTERS: Final = 2_000_000
_NOT_SLUG: Final = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class ImportedAPI:
    """The saved API, and what of the document was left out."""

    api: API
    warnings: tuple[str, ...]


@transaction.atomic
def import_openapi(
    *,
    text: str,
    source: str = "document",
    upstream: str = "",
    slug: str = "",
    base_path: str = "",
) -> ImportedAPI:
    """Return the API that `text` (JSON or YAML) describes, saved with operations and scopes.

    An API with the same slug is changed: its address, state, upstream and claims stay unless
    given here. Without them the slug comes from the title and the base path from the first
    server. Raises InvalidDocument with the line, and InvalidFields.
    """
    if len(text) > MOST_CHARACTERS:
        raise InvalidDocument(f"longer than {MOST_CHARACTERS:,} characters.", where=source)
    document = parse_marked(text, source=source)
    reading = read_openapi(document)
    slug = slug or _NOT_SLUG.sub("-", reading.name.lower()).strip("-")[:50].strip("-")
    existing = API.objects.filter(slug=slug).select_related("upstream").first()
    spec = _spec(existing, slug, reading, document.data)
    spec = dataclasses.replace(
        spec, upstream=upstream or spec.upstream, base_path=base_path or spec.base_path
    )
    api = save_api(spec=spec, api_id=existing.pk if existing else None)
    return ImportedAPI(api, tuple(reading.warnings))


def _spec(
    existing: API | None, slug: str, reading: OpenAPIReading, document: Mapping[str, Any]
) -> APISpec:
    spec = (
        spec_of_api(existing)
        if existing
        else APISpec(slug=slug, name=slug, upstream="", base_path=reading.base_path or f"/{slug}")
    )
    return dataclasses.replace(
        spec,
        name=reading.name or spec.name,
        version=reading.version or spec.version,
        summary=reading.summary or spec.summary,
        description=reading.description or spec.description,
        scopes=reading.scopes,
        operations=reading.operations,
        openapi=document,
    )
