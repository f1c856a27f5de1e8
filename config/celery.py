"""The Celery application; tasks live in `<app>/tasks.py` and only call services."""

import os
from pathlib import Path
from typing import Any, Final

from celery import Celery
from celery.signals import beat_init, worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# The supervisor names a file; it appears once the process takes or sends tasks.
READY_FILE_VARIABLE: Final = "TOLLGATE_READY_FILE"

app = Celery("tollgate")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def _every(task: str, seconds: float) -> dict[str, Any]:
    # A task that found no worker until its successor is due has nothing left to do.
    return {"task": task, "schedule": seconds, "options": {"expires": seconds}}


app.conf.beat_schedule = {
    "fold usage": _every("ams.metering.tasks.fold_usage", 2),
    "purge stored usage": _every("ams.metering.tasks.purge_usage", 3600),
    "deliver resource registrations": _every(
        "ams.catalog.tasks.deliver_resource_registrations", 10
    ),
    "close billing periods": _every("ams.billing.tasks.close_periods", 3600),
    "purge what has expired": _every("ims.tasks.purge_expired", 600),
    "prepare partitions": _every("ims.tasks.prepare_partitions", 600),
    "seal the audit log": _every("ims.tasks.seal_audit_log", 5),
    "note used clients": _every("ims.tasks.note_used_clients", 300),
    "remove unused clients": _every("ims.tasks.remove_unused_clients", 6 * 3600),
    "read client documents": _every("ims.tasks.read_client_documents", 3600),
    "read the keys of APIs": _every("ims.tasks.read_keys_of_resources", 20),
    "rotate signing keys": _every("ims.tasks.rotate_signing_keys", 3600),
}


@worker_ready.connect  # type: ignore[untyped-decorator,unused-ignore]  # Celery has no types
@beat_init.connect  # type: ignore[untyped-decorator,unused-ignore]
def tell_the_supervisor(**_: object) -> None:
    """Make the file that says this process works."""
    path = os.environ.get(READY_FILE_VARIABLE)
    if path:
        Path(path).touch()
