from ams.errors import NotFound
from ams.metering.models import UsageSource


def forget_usage_source(*, node: str) -> None:
    """Wait for the worker no more: its machine is gone. Raises NotFound.

    Should it come back, its next report makes it known again and its batches count as ever.
    """
    deleted, _ = UsageSource.objects.filter(pk=node).delete()
    if not deleted:
        raise NotFound(f"There is no gateway worker {node!r}.")
