"""Codes and refresh tokens as they are about to be used: locked, with everything that is needed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from allauth.account.models import EmailAddress
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, OuterRef

from ims.models import (
    AuthorizationCode,
    Client,
    DeviceAuthorization,
    Grant,
    RefreshToken,
    ResourceScope,
)

Row = TypeVar("Row", AuthorizationCode, DeviceAuthorization, RefreshToken)


@dataclass(frozen=True, slots=True)
class Spendable(Generic[Row]):
    """A locked row; its grant, which is locked too, and its user are selected along.

    `offered_scopes` are those of the resources asked for.
    """

    row: Row
    is_email_verified: bool
    offered_scopes: frozenset[str]


def lock_spendable(
    kind: type[Row], *, digest: bytes, client: Client, resources: Sequence[str]
) -> Spendable[Row] | None:
    """Return the row under `digest` if it is `client`'s; runs one statement, which may wait.

    revoke_grant locks the grant as well: tokens are either issued before it looks, and revoked, or
    whoever calls this sees the grant revoked.
    """
    more: dict[str, Any] = {"email_verified": Exists(_VERIFIED_ADDRESS)}
    if resources:
        offered = ResourceScope.objects.filter(protected_resource__resource__in=resources)
        more["offered_scopes"] = ArraySubquery(offered.values("name"))
    rows = kind._default_manager.select_for_update(of=("self", "grant"))  # noqa: SLF001 - Django's documented name of any model's manager
    row: Any = (
        rows.select_related("grant__user")
        .annotate(**more)
        # A device's request has no grant before it is allowed: it is not found until then.
        .filter(digest=digest, client=client, grant__created_at__isnull=False)
        .first()
    )
    if row is None:
        return None
    return Spendable(
        row=row,
        is_email_verified=row.email_verified,
        offered_scopes=frozenset(row.offered_scopes if resources else ()),
    )


def grant_of(spendable: Spendable[Row]) -> Grant:
    """Return the grant of what was locked, which always has one; runs no statement."""
    grant = spendable.row.grant
    if grant is None:  # pragma: no cover - lock_spendable finds no such row
        raise LookupError("nothing was granted")
    return grant


_VERIFIED_ADDRESS = EmailAddress.objects.filter(
    user=OuterRef("grant__user"), verified=True, email__iexact=OuterRef("grant__user__email")
)
