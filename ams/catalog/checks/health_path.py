"""Whether what a health path is asked for answers now; this asks over the network."""

from collections.abc import Sequence

from ams.catalog.checks.probe_targets import probe_targets
from ams.catalog.checks.upstream import check_upstream
from ams.catalog.specs import UpstreamSpec
from ams.errors import FieldProblem

_MEND = "Mend it, or set health.check_on_save to false where only gateways reach it."


def check_health_paths(
    changes: Sequence[tuple[UpstreamSpec, UpstreamSpec | None]],
) -> list[list[FieldProblem]]:
    """Return the problems of each wanted upstream, beside what it is at present.

    Asked is only about what is usable by itself and asks for something else than before: a time
    limit can be changed while the upstream is down. Blocks; see `probe_targets`.
    """
    asked = [
        at
        for at, (wanted, present) in enumerate(changes)
        if _what_is_asked(wanted) != _what_is_asked(present) and not check_upstream(wanted).problems
    ]
    found: list[list[FieldProblem]] = [[] for _ in changes]
    for at, problems in zip(asked, probe_targets(changes[at][0] for at in asked), strict=True):
        found[at] = [FieldProblem(("health", "path"), f"{text}. {_MEND}") for text in problems]
    return found


def _what_is_asked(spec: UpstreamSpec | None) -> object:
    if spec is None or spec.health is None or not spec.health.check_on_save:
        return None
    urls = tuple(target.url for target in spec.addresses)
    return urls, spec.health.path, spec.ca_pem, spec.allow_internal
