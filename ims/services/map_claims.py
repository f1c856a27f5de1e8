"""What an API's phantom JWT carries under which name."""

from collections.abc import Mapping

from django.db import transaction

from ims.models import ClaimMapping, ProtectedResource


@transaction.atomic
def map_claims(*, protected_resource: ProtectedResource, mappings: Mapping[str, str]) -> None:
    """Make `mappings` (claim: source) the administrators' mappings of `protected_resource`.

    The caller checked them. JWTs that gateways hold keep their claims to their end, five minutes at
    most.
    """
    protected_resource.claim_mappings.all().delete()
    ClaimMapping.objects.bulk_create(
        ClaimMapping(protected_resource=protected_resource, claim=claim, source=source)
        for claim, source in mappings.items()
    )
