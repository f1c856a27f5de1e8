"""A new secret for a client, in place of every one before."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from ims import conf
from ims.issued_secret import IssuedSecret
from ims.models import Client
from ims.services.add_client_secret import add_client_secret


@transaction.atomic
def rotate_client_secret(
    *, client: Client, secret: str | None = None, label: str = "", overlap_seconds: int = 0
) -> IssuedSecret:
    """Return the client's secret from now on; the ones before end `overlap_seconds` later.

    Without an overlap they end with this transaction. It is minted, unless an operator brings his
    own `secret`. The row lock makes two rotations at once end with one successor. Tokens already
    issued are not touched.
    """
    Client.objects.select_for_update().get(pk=client.pk)
    if overlap_seconds > 0:
        _end_former_secrets(client, overlap_seconds)
    else:
        client.secrets.all().delete()
    return add_client_secret(client=client, secret=secret, label=label)


def _end_former_secrets(client: Client, overlap_seconds: int) -> None:
    """Let the newest former secrets live on, as many as leave room for the new one."""
    end = timezone.now() + timedelta(
        seconds=min(overlap_seconds, conf.LONGEST_SECRET_OVERLAP_SECONDS)
    )
    newest = client.secrets.order_by("-created_at", "-pk").values_list("pk", flat=True)
    kept = list(newest[: conf.MOST_CLIENT_SECRETS - 1])
    client.secrets.exclude(pk__in=kept).delete()
    client.secrets.filter(Q(expires_at=None) | Q(expires_at__gt=end)).update(expires_at=end)
