"""Use up a code (of either kind) or a refresh token, and keep what the client holds from now on."""

from datetime import timedelta
from typing import Final

from django.db import connection
from django.utils import timezone

from ims import conf
from ims.models import AuthorizationCode, Client, DeviceAuthorization, RefreshToken
from wire import bearer

_SPEND: Final = {
    AuthorizationCode: (
        "UPDATE ims_authorizationcode SET used_at = %(now)s WHERE digest = %(spent)s"
    ),
    DeviceAuthorization: (
        "UPDATE ims_deviceauthorization SET used_at = %(now)s WHERE digest = %(spent)s"
    ),
    RefreshToken: (
        "UPDATE ims_refreshtoken SET used_at = %(now)s, successor_salt = %(salt)s"
        " WHERE digest = %(spent)s"
    ),
}
_KEEP: Final = """
INSERT INTO ims_refreshtoken (digest, grant_id, client_id, dpop_jkt, issued_at, expires_at)
VALUES (%(digest)s, %(grant)s, %(client)s, %(dpop_jkt)s, %(now)s, %(expires_at)s)
"""


def spend_credential(
    *,
    spent: AuthorizationCode | DeviceAuthorization | RefreshToken,
    client: Client,
    refresh_token: str,
    dpop_jkt: str = "",
    successor_salt: bytes | None = None,
) -> None:
    """Mark `spent` used and store the digest of `refresh_token`, unless that is empty.

    One statement for both. The caller holds the lock on the row and has found it unused. RFC 9449
    §5: a public client's refresh token is bound to the key of `dpop_jkt`; a confidential client
    proves itself at each use, and may change its key.
    """
    now = timezone.now()
    is_public = client.token_endpoint_auth_method == Client.AuthMethod.NONE
    values = {
        "now": now,
        "spent": spent.digest,
        "salt": successor_salt,
        "digest": bearer.digest(refresh_token),
        "grant": spent.grant_id,
        "client": client.pk,
        "dpop_jkt": dpop_jkt if is_public else "",
        "expires_at": now + timedelta(seconds=conf.REFRESH_TOKEN_TTL_SECONDS),
    }
    spend = _SPEND[type(spent)]
    statement = f"WITH spent AS ({spend}) {_KEEP}" if refresh_token else spend
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
