"""The credentials that the parts of one installation hold, in the database and as files."""

import json
import os
from pathlib import Path
from typing import Any

from django.conf import settings

from config.private_files import write_private
from ims.checks.built_in_resources import AMS_CLIENT_ID, GATEWAY_CLIENT_ID
from ims.services.bootstrap_installation import bootstrap_installation
from ims.services.maintain_partitions import maintain_partitions
from wire import bearer


def bootstrap() -> None:
    """See that the infrastructure clients stand and that their secrets are where they are read.

    The token tables get their partitions too, before there is a worker that sees to them.

    Offline and idempotent. A secret comes from the environment, else from its file, else it is
    new: so a lost file or another database is mended by running this again.
    """
    maintain_partitions()
    gateway, ams = _get_secret(GATEWAY_CLIENT_ID), _get_secret(AMS_CLIENT_ID)
    portal_file = settings.SECRETS_DIR / "portal-initial-access-token.json"
    credentials = bootstrap_installation(
        issuer=settings.ISSUER,
        gateway_secret=gateway,
        ams_secret=ams,
        renew_portal_initial_access_token=not portal_file.exists(),
    )
    for client_id, secret in ((GATEWAY_CLIENT_ID, gateway), (AMS_CLIENT_ID, ams)):
        if not os.environ.get(_variable(client_id)):
            _write(_path(client_id), {"client_id": client_id, "client_secret": secret})
    if credentials.portal_initial_access_token is not None:
        _write(portal_file, {"initial_access_token": credentials.portal_initial_access_token})


def _get_secret(client_id: str) -> str:
    given = os.environ.get(_variable(client_id))
    if given:
        return given
    try:
        return str(json.loads(_path(client_id).read_text())["client_secret"])
    except (OSError, ValueError, KeyError, TypeError):
        return bearer.mint(bearer.Prefix.CLIENT_SECRET)


def _variable(client_id: str) -> str:
    """Return TOLLGATE_GATEWAY_CLIENT_SECRET for tollgate-gateway."""
    return f"{client_id.upper().replace('-', '_')}_CLIENT_SECRET"


def _path(client_id: str) -> Path:
    return Path(settings.SECRETS_DIR) / f"{client_id}.json"


def _write(path: Path, document: dict[str, Any]) -> None:
    write_private(path, json.dumps(document))
