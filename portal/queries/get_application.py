"""Applications as their developer may see them."""

import uuid

from ams.errors import NotFound
from portal.models import Application, Developer


def get_application(*, developer: Developer, application_id: uuid.UUID) -> Application:
    """Return the developer's own application. Raises NotFound, also for someone else's."""
    application = Application.objects.filter(developer=developer, pk=application_id).first()
    if application is None:
        raise NotFound("There is no such application.")
    return application


def list_applications(*, developer: Developer) -> tuple[Application, ...]:
    """Return the developer's applications, newest first."""
    return tuple(Application.objects.filter(developer=developer).order_by("-id"))
