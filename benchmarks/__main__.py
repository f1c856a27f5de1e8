"""`python -m benchmarks`, which is `make bench`: the gateway beside its peers."""

from benchmarks.gateway import main

if __name__ == "__main__":
    raise SystemExit(main())
