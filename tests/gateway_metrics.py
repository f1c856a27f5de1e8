"""What a gateway says of itself at its private port."""


def read_metric(text: str, name: str) -> float:
    """Return a metric without labels from `text`, which is Prometheus' format."""
    for line in text.splitlines():
        if line.startswith(f"tollgate_gateway_{name} "):
            return float(line.rpartition(" ")[2])
    raise AssertionError(name)
