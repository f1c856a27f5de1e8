"""Revocation of everything a client holds."""

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from ims.audit.events import Event
from ims.models import AccessToken, Client, Grant
from ims.services.lock_client_tokens import lock_client_tokens
from ims.services.record_audit_event import record_audit_event
from ims.services.revoke_derived_tokens import revoke_derived_tokens
from ims.services.write_revocation_events import write_revocation_events


@transaction.atomic
def revoke_client_tokens(*, client: Client) -> int:
    """End every grant and access token of `client`; return how many access tokens were live.

    Those that others got in exchange for its tokens (RFC 8693) hang on its grants and end as well.
    Grants are locked before the client, in the order in which tokens are issued, so that the two
    do not wait for each other; the locks keep out tokens that are being issued (`revoke_grant`).
    """
    now = timezone.now()
    grants = Grant.objects.filter(client=client, revoked_at=None)
    ended = list(grants.order_by("pk").select_for_update().values_list("pk", flat=True))
    Client.objects.select_for_update().get(pk=client.pk)
    lock_client_tokens(client=client)
    grants.update(revoked_at=now)
    live = AccessToken.objects.filter(
        Q(client=client) | Q(grant__in=ended), revoked_at=None, expires_at__gt=now
    )
    tokens = list(live.select_for_update().only("digest", "expires_at"))
    live.update(revoked_at=now)
    derived = revoke_derived_tokens(parents=tokens)
    write_revocation_events(access_tokens=[*tokens, *derived])
    record_audit_event(
        event=Event.CLIENT_TOKENS_REVOKED,
        client_id=client.client_id,
        detail={"access_tokens": len(tokens)},
    )
    return len(tokens)
