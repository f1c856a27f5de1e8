"""`python -m benchmarks [part]`: what `make bench` runs; without a part, the two that compare."""

import sys

from benchmarks import catalog_size, enforcement, gateway, token_service, token_tables

PARTS = {
    "gateway": gateway.main,
    "catalog-size": catalog_size.main,
    "enforcement": enforcement.main,
    "token-service": token_service.main,
    "token-tables": token_tables.main,
}
COMPARISONS = ("gateway", "token-service")


def main() -> int:
    """Return 0 when every part could run here."""
    chosen = COMPARISONS
    if len(sys.argv) > 1 and sys.argv[1] in PARTS:
        chosen = (sys.argv.pop(1),)
    return max(PARTS[name]() for name in chosen)


if __name__ == "__main__":
    raise SystemExit(main())
