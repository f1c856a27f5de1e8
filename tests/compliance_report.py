"""`pytest tests/compliance --compliance-report FILE` writes which test shows which requirement."""

from collections import defaultdict
from pathlib import Path

import pytest

NOT_SUPPORTED = [
    ("RFC 8705", "Mutual TLS and certificate-bound tokens"),
    ("RFC 9101", "JWT-secured authorization requests"),
    ("RFC 9396", "Rich authorization requests"),
    ("RFC 7523", "The JWT bearer grant (assertions authenticate clients only)"),
    ("RFC 9470", "Step-up challenges"),
    ("OpenID Connect", "Back-channel and front-channel logout, session management"),
]


def pytest_addoption(parser):
    parser.addoption("--compliance-report", type=Path, help="write the table to this file")


def pytest_configure(config):
    target = config.getoption("--compliance-report")
    if target and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Report(target))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    for mark in item.iter_markers("compliance"):
        item.user_properties.append(("compliance", list(mark.args)))


class _Report:
    """Collects on the controller, also under xdist: properties travel with the reports."""

    def __init__(self, target):
        self.target = target
        self.rows = defaultdict(dict)

    def pytest_runtest_logreport(self, report):
        if report.when != "call" and report.outcome == "passed":
            return
        for name, value in report.user_properties:
            if name == "compliance":
                rfc, section, requirement = value
                key = (section, requirement, report.nodeid.split("[")[0])
                outcomes = self.rows[rfc].setdefault(key, set())
                outcomes.add(report.outcome)

    def pytest_sessionfinish(self):
        lines = [
            "# Compliance",
            "",
            "Made by `make compliance` from the tests that carry a requirement; do not edit.",
            "",
        ]
        for rfc in sorted(self.rows):
            lines += [
                f"## {rfc}",
                "",
                "| section | requirement | shown by | status |",
                "|---|---|---|---|",
            ]
            for (section, requirement, test), outcomes in sorted(self.rows[rfc].items()):
                status = "passed" if outcomes == {"passed"} else ", ".join(sorted(outcomes))
                where = test.removeprefix("tests/compliance/").replace("::", " · ")
                lines.append(f"| {section} | {requirement} | `{where}` | {status} |")
            lines.append("")
        lines += ["## Not supported", "", "| standard | what |", "|---|---|"]
        lines += [f"| {standard} | {what} |" for standard, what in NOT_SUPPORTED]
        self.target.write_text("\n".join(lines) + "\n")
