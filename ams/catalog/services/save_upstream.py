"""Create or change an upstream."""

import dataclasses
import uuid
from typing import Final

from django.db import transaction

from ams.catalog.checks.health_path import check_health_paths
from ams.catalog.checks.upstream import check_upstream
from ams.catalog.models import Target, Upstream
from ams.catalog.queries.spec_of import spec_of_upstream
from ams.catalog.services.raise_configuration_version import raise_configuration_version
from ams.catalog.specs import HealthSpec, UpstreamSpec
from ams.errors import NotFound
from ams.field_checks import FieldChecks

_COPIED: Final = (
    "slug",
    "url",
    "allow_internal",
    "connect_timeout_seconds",
    "first_byte_timeout_seconds",
    "idle_timeout_seconds",
    "ca_pem",
    "total_timeout_seconds",
    "eject_after",
    "ejection_seconds",
)


def save_upstream(
    *, spec: UpstreamSpec, upstream_id: uuid.UUID | None = None, probe: bool = True
) -> Upstream:
    """Return the upstream as `spec` says; a new one without `upstream_id`.

    With `probe`, a health path that is new or changed is asked for first, unless its
    `check_on_save` is false: that blocks for seconds. Raises InvalidFields, and NotFound for an
    unknown `upstream_id`.
    """
    if probe:
        # Before the row lock is taken: others change the configuration meanwhile.
        present = spec_of_upstream(_get(upstream_id)) if upstream_id else None
        FieldChecks(check_health_paths([(spec, present)])[0]).finish()
    return _save(spec, upstream_id)


@transaction.atomic
def _save(spec: UpstreamSpec, upstream_id: uuid.UUID | None) -> Upstream:
    # First of all: its row lock makes changes one after the other, so that the checks hold.
    raise_configuration_version()
    checks = check_upstream(spec)
    checks.finish()
    others = Upstream.objects.exclude(pk=upstream_id) if upstream_id else Upstream.objects.all()
    if others.filter(slug=spec.slug).exists():
        checks.add(f"{spec.slug!r} is already the slug of another upstream.", "slug")
    checks.finish()
    upstream = Upstream() if upstream_id is None else _get(upstream_id)
    for name in _COPIED:
        setattr(upstream, name, getattr(spec, name))
    _set_health(upstream, spec.health)
    upstream.save()
    upstream.targets.all().delete()
    Target.objects.bulk_create(
        Target(upstream=upstream, url=row.url, weight=row.weight) for row in spec.targets
    )
    return upstream


def _set_health(upstream: Upstream, health: HealthSpec | None) -> None:
    """Copy `health`; without checks, the defaults: what is left behind would come back one day."""
    given = health or HealthSpec(path="")
    for field in dataclasses.fields(given):
        setattr(upstream, f"health_{field.name}", getattr(given, field.name))


def _get(upstream_id: uuid.UUID) -> Upstream:
    upstream = Upstream.objects.filter(pk=upstream_id).first()
    if upstream is None:
        raise NotFound(f"There is no upstream {upstream_id}.")
    return upstream
