"""The end of an administrator's stop for a client."""

from ims.models import Client


def enable_client(*, client: Client) -> None:
    """Let `client` authenticate again; what it held before stays revoked."""
    client.disabled_at = None
    client.save(update_fields=["disabled_at", "updated"])
