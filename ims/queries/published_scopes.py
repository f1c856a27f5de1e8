"""Which scopes the token service announces."""

from ims import conf
from ims.models import ResourceScope


def list_published_scopes() -> list[str]:
    """Return the scopes of every registered API, sorted; runs a statement.

    The scopes of the platform's own interfaces stay out: nobody can ask for them unless an
    administrator registered the client for them by name.
    """
    offered = ResourceScope.objects.exclude(
        protected_resource__resource__startswith=f"{conf.issuer()}/"
    )
    return list(offered.order_by("name").values_list("name", flat=True).distinct())
