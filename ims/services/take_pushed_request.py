"""Use up the name of a pushed authorization request (RFC 9126 §4)."""

from collections.abc import Sequence

from django.utils import timezone

from ims import request_uris
from ims.errors import InvalidRequestURI
from ims.models import Client, PushedAuthorizationRequest


def take_pushed_request(
    *, request_uri: str, client_ids: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Return the parameters that were pushed under `request_uri`, once; runs two statements.

    `client_ids` are the values of `client_id` that came along: the client's own, and only it. The
    name stays among the parameters, and says there that the request was pushed. Raises
    InvalidRequestURI, in one text for whatever is wrong.
    """
    if len(client_ids) != 1 or not client_ids[0].isprintable():
        raise InvalidRequestURI
    now = timezone.now()
    kept = PushedAuthorizationRequest.objects.filter(digest=request_uris.digest(request_uri))
    # One conditional statement: of two browsers at a time only one gets it. RFC 9126 §2.2: the name
    # "MUST be bound to the client". The client is looked up apart: as a join, Django would put all
    # conditions into a subquery, which the second of two updates does not look at again.
    usable = kept.filter(
        used_at=None,
        expires_at__gt=now,
        client__in=Client.objects.filter(client_id=client_ids[0], disabled_at=None),
    )
    if not usable.update(used_at=now):
        raise InvalidRequestURI
    parameters = kept.values_list("parameters", flat=True).get()
    given = {name: tuple(values) for name, values in parameters.items()}
    return given | {"request_uri": (request_uri,)}
