"""Create or change an upstream."""

import dataclasses
import uuid

from django.db import transaction

from ams.catalog.checks.upstream import check_upstream
from ams.catalog.models import Upstream
from ams.catalog.services.raise_configuration_version import raise_configuration_version
from ams.catalog.specs import UpstreamSpec
from ams.errors import NotFound


@transaction.atomic
def save_upstream(*, spec: UpstreamSpec, upstream_id: uuid.UUID | None = None) -> Upstream:
    """Return the upstream as `spec` says; a new one without `upstream_id`.

    Raises InvalidFields, and NotFound for an unknown `upstream_id`.
    """
    # First of all: its row lock makes changes one after the other, so that the checks hold.
    raise_configuration_version()
    checks = check_upstream(spec)
    checks.finish()
    others = Upstream.objects.exclude(pk=upstream_id) if upstream_id else Upstream.objects.all()
    if others.filter(slug=spec.slug).exists():
        checks.add(f"{spec.slug!r} is already the slug of another upstream.", "slug")
    checks.finish()
    upstream = Upstream() if upstream_id is None else _get(upstream_id)
    for field in dataclasses.fields(spec):
        setattr(upstream, field.name, getattr(spec, field.name))
    upstream.save()
    return upstream


def _get(upstream_id: uuid.UUID) -> Upstream:
    upstream = Upstream.objects.filter(pk=upstream_id).first()
    if upstream is None:
        raise NotFound(f"There is no upstream {upstream_id}.")
    return upstream
