"""django-oauth-toolkit's Application, cut down to what our Client keeps of it (ADR-0002)."""

from oauth2_provider.models import AbstractApplication

from ims import redirect_uris


class ToolkitApplication(AbstractApplication):
    """Client type, name and the columns of the URIs come from DOT.

    Its secret column goes: secrets are rows of their own, as digests. Its single grant type
    goes: a client has a list. Its owner goes: who registered what is the portal's knowledge. The
    end of its metadata document goes: there is more to know of one (ClientDocument). Its matching
    of redirect URIs goes: it compares parsed parts, and the parser drops tabs and folds case, so
    that URIs pass which nobody registered.
    """

    user = None
    client_secret = None
    hash_client_secret = None
    algorithm = None
    authorization_grant_type = None
    cimd_expires_at = None

    class Meta:
        abstract = True

    def redirect_uri_allowed(self, uri: str) -> bool:
        """Whether `uri` is a registered redirect URI (RFC 9700 §4.1.3)."""
        return redirect_uris.is_registered(uri, self.redirect_uris.split())

    def post_logout_redirect_uri_allowed(self, uri: str) -> bool:
        """Whether `uri` is registered for the return after logout (RP-Initiated Logout 1.0 §3)."""
        return redirect_uris.is_registered(uri, self.post_logout_redirect_uris.split())
