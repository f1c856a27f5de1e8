"""Create or change a foreign issuer."""

import dataclasses
import uuid

from django.db import transaction

from ams.catalog.checks.issuer import check_issuer
from ams.catalog.models import Issuer
from ams.catalog.services.raise_configuration_version import raise_configuration_version
from ams.catalog.specs import IssuerSpec
from ams.errors import NotFound


@transaction.atomic
def save_issuer(*, spec: IssuerSpec, issuer_id: uuid.UUID | None = None) -> Issuer:
    """Return the issuer as `spec` says; a new one without `issuer_id`.

    Raises InvalidFields, and NotFound for an unknown `issuer_id`.
    """
    # First of all: its row lock makes changes one after the other, so that the checks hold.
    raise_configuration_version()
    checks = check_issuer(spec)
    checks.finish()
    others = Issuer.objects.exclude(pk=issuer_id) if issuer_id else Issuer.objects.all()
    for name in ("slug", "issuer"):
        if others.filter(**{name: getattr(spec, name)}).exists():
            checks.add(f"{getattr(spec, name)!r} is already that of another issuer.", name)
    checks.finish()
    issuer = Issuer() if issuer_id is None else _get(issuer_id)
    for name in ("slug", "issuer", "jwks_uri", "audience", "scope_claim", "client_id_claim"):
        setattr(issuer, name, getattr(spec, name))
    issuer.algorithms, issuer.ca_pem = list(spec.algorithms), spec.ca_pem
    issuer.clients = [dataclasses.asdict(client) for client in spec.clients]
    issuer.save()
    return issuer


def _get(issuer_id: uuid.UUID) -> Issuer:
    issuer = Issuer.objects.filter(pk=issuer_id).first()
    if issuer is None:
        raise NotFound(f"There is no issuer {issuer_id}.")
    return issuer
