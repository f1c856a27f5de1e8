"""What a person has let in: by a consent, by an authorization that lives, or both."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from django.db.models import Max

from ims.models import Client, Consent, Grant, RefreshToken, User
from ims.queries.permissions import Asked, PermissionGroup, list_permission_groups


@dataclass(frozen=True, slots=True)
class AllowedApplication:
    """`host` is where it takes people; `keeps_access` is whether it works while they are away."""

    client: Client
    name: str
    host: str
    since: datetime
    last_used_at: datetime
    groups: list[PermissionGroup]
    keeps_access: bool


@dataclass(slots=True)
class _Found:
    client: Client
    moments: list[datetime] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)


def list_allowed_applications(*, user: User) -> list[AllowedApplication]:
    """Return every application that `user` can take access from, the last used first.

    A statement for consents, one for authorizations, one for refresh tokens, and one for the words
    of each application.
    """
    found: dict[int, _Found] = {}
    _collect(found, Consent.objects.filter(user=user).select_related("client"))
    _collect(found, Grant.objects.filter(user=user, revoked_at=None).select_related("client"))
    refreshed = _find_last_refreshes(user)
    applications = [_describe(each, refreshed) for each in found.values()]
    return sorted(applications, key=lambda each: each.last_used_at, reverse=True)


def find_allowed_application(*, user: User, client_pk: int) -> AllowedApplication | None:
    """Return the one application, or None where it has no access."""
    applications = list_allowed_applications(user=user)
    return next((each for each in applications if each.client.pk == client_pk), None)


def _collect(found: dict[int, _Found], rows: Iterable[Consent | Grant]) -> None:
    for row in rows:
        entry = found.setdefault(row.client_id, _Found(row.client))
        entry.moments.append(row.granted_at if isinstance(row, Consent) else row.created_at)
        entry.asked.append((row.scopes, row.resources))


def _find_last_refreshes(user: User) -> Mapping[int, datetime]:
    rows = (
        RefreshToken.objects.filter(grant__user=user, grant__revoked_at=None)
        .values("client_id")
        .annotate(at=Max("issued_at"))
    )
    return {row["client_id"]: row["at"] for row in rows}


def _describe(found: _Found, refreshed: Mapping[int, datetime]) -> AllowedApplication:
    client = found.client
    uris = client.redirect_uris.split()
    last_refresh = refreshed.get(client.pk)
    return AllowedApplication(
        client=client,
        name=client.name or client.client_id,
        host=(urlsplit(uris[0]).hostname or "") if uris else "",
        since=min(found.moments),
        last_used_at=max([*found.moments, *([last_refresh] if last_refresh else [])]),
        groups=list_permission_groups(found.asked),
        keeps_access=last_refresh is not None,
    )
