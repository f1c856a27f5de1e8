"""The tables that the benchmarks put into docs/performance.md."""

_END = "<!-- end -->"


def replace_figures(text: str, name: str, table: str) -> str:
    """Return `text` with what stands between `<!-- <name> figures -->` and the next end."""
    start = f"<!-- {name} figures -->"
    before, rest = text.split(start, 1)
    return f"{before}{start}\n{table}\n{_END}{rest.split(_END, 1)[1]}"
