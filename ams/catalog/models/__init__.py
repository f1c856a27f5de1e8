from ams.catalog.models.api import (
    API,
    ConfigurationVersion,
    Operation,
    ResourceRegistration,
    Scope,
    Target,
    Upstream,
)

__all__ = [
    "API",
    "ConfigurationVersion",
    "Operation",
    "ResourceRegistration",
    "Scope",
    "Target",
    "Upstream",
]
