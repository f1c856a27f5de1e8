"""RFC 6749 §2.3: the client that a request comes from, in the statement that every request runs."""

from functools import cache

from django.utils import timezone

from ims import prepared
from ims.models import Client

_STATEMENT = """
SELECT {columns} FROM ims_client
 WHERE client_id = %s AND disabled_at IS NULL
   AND CASE WHEN %s::bytea IS NULL THEN token_endpoint_auth_method = %s
            ELSE EXISTS (SELECT FROM ims_clientsecret AS secret
                          WHERE secret.client_id = ims_client.id AND secret.digest = %s
                            AND (secret.expires_at IS NULL OR secret.expires_at > %s)) END
"""


def find_client(
    *, client_id: str, secret_digest: bytes | None, method: str | None
) -> Client | None:
    """Return the enabled client that has the secret, or without one is registered for `method`.

    Runs one statement, prepared.
    """
    names, statement = _compose()
    values = (client_id, secret_digest, method, secret_digest, timezone.now())
    row = prepared.fetch_one(statement, values)
    return None if row is None else Client.from_db("default", names, row)


@cache
def _compose() -> tuple[tuple[str, ...], str]:
    """Return the names of the client's fields, and the statement that reads them."""
    fields = Client._meta.concrete_fields  # noqa: SLF001 - Django's documented name of any model's description
    columns = ", ".join(f'ims_client."{field.column}"' for field in fields)
    return tuple(field.attname for field in fields), _STATEMENT.format(columns=columns)
