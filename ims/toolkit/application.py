"""django-oauth-toolkit's Application, cut down to what our Client keeps of it (ADR-0002)."""

from oauth2_provider.models import AbstractApplication


class ToolkitApplication(AbstractApplication):
    """Redirect URI and post-logout URI matching, client type, name and owner come from DOT.

    Its secret column goes: secrets are rows of their own, as digests. Its single grant type
    goes: a client has a list.
    """

    client_secret = None
    hash_client_secret = None
    algorithm = None
    authorization_grant_type = None

    class Meta:
        abstract = True
