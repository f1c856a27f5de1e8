from tests.unit.gateway.conftest import gateway, upstream

__all__ = ["gateway", "upstream"]
