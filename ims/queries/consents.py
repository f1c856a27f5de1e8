"""What people have allowed."""

from collections.abc import Collection

from ims.models import Client, Consent, User


def has_consented(
    *, user: User, client: Client, scopes: Collection[str], resources: Collection[str]
) -> bool:
    """Whether `user` allowed `client` every one of `scopes` at every one of `resources`."""
    return Consent.objects.filter(
        user=user, client=client, scopes__contains=list(scopes), resources__contains=list(resources)
    ).exists()
