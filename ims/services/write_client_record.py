"""How checked metadata becomes a client's record; for `register_client` and `update_client`."""

from ims.checks.client_metadata import ClientMetadata
from ims.models import Client


def write_client_record(*, client: Client, metadata: ClientMetadata) -> None:
    """Replace every self-declared member of `client`; does not save."""
    is_public = metadata.token_endpoint_auth_method == Client.AuthMethod.NONE
    client.client_type = Client.CLIENT_PUBLIC if is_public else Client.CLIENT_CONFIDENTIAL
    client.name = metadata.client_name
    client.redirect_uris = " ".join(metadata.redirect_uris)
    client.post_logout_redirect_uris = " ".join(metadata.post_logout_redirect_uris)
    client.token_endpoint_auth_method = metadata.token_endpoint_auth_method
    client.grant_types = list(metadata.grant_types)
    client.response_types = list(metadata.response_types)
    client.scopes = list(metadata.scopes)
    client.metadata = dict(metadata.others)
