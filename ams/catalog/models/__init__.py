from ams.catalog.models.api import (
    API,
    ConfigurationVersion,
    Operation,
    ResourceRegistration,
    Scope,
    Target,
    Upstream,
)
from ams.catalog.models.issuer import Issuer

__all__ = [
    "API",
    "ConfigurationVersion",
    "Issuer",
    "Operation",
    "ResourceRegistration",
    "Scope",
    "Target",
    "Upstream",
]
