"""`pytest tests/compliance --compliance-report FILE` writes which test shows which requirement."""

from collections import defaultdict
from pathlib import Path

import pytest

# What somebody who knows the standards would look for here and not find, by the family it is of.
NOT_SUPPORTED = {
    "OAuth 2.0": [
        ("RFC 6749 §4.2, §4.3", "The implicit and the password grant, on purpose (RFC 9700 §2)"),
        ("RFC 7521, RFC 7523 §2.1", "The JWT bearer grant: assertions authenticate clients only"),
        ("RFC 7522", "SAML assertions"),
        ("RFC 8705", "Mutual TLS at the token service; the gateway checks bound tokens"),
        ("RFC 9101", "Request objects (JAR); one that is sent is refused, never ignored"),
        ("RFC 9396", "Rich authorization requests"),
        ("RFC 8693 §3", "Exchanging anything but access tokens, or for anything else"),
        ("JARM", "JWT-secured authorization responses"),
        ("FAPI 2.0", "The security profile: its parts PAR, PKCE, DPoP and `iss` are here"),
    ],
    "Clients": [
        ("OpenID Connect Core §9", "`client_secret_jwt`: secrets are kept as digests only"),
        ("RFC 7591 §2.3", "Software statements; one that is sent is refused"),
        ("OpenID Federation", "Trust chains"),
    ],
    "OpenID Connect": [
        ("Core §3.2, §3.3", "The implicit and the hybrid flow"),
        ("Core §5.3.2, §16.14", "Userinfo as a JWT, encrypted ID tokens"),
        ("Core §5.6.2", "Aggregated and distributed claims"),
        ("Core §6", "Request objects by value or by reference of the client's"),
        ("Core §8.1", "Pairwise subjects"),
        ("Discovery §2", "WebFinger"),
        ("Back-Channel Logout, Front-Channel Logout", "Clients are not told of a sign-out"),
        ("Session Management", "The `check_session_iframe`"),
        ("CIBA", "Client-initiated backchannel authentication"),
    ],
    "Metadata and signals": [
        ("RFC 8414 §2.1, RFC 9728 §2.2", "`signed_metadata`"),
        ("Shared Signals, CAEP", "Security events for other services"),
    ],
}


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
        self.target.write_text("\n".join(lines) + "\n" + list_what_is_not_supported())


def list_what_is_not_supported():
    """The end of the document."""
    lines = ["## Not supported", ""]
    for family, rows in NOT_SUPPORTED.items():
        lines += [f"### {family}", "", "| standard | what |", "|---|---|"]
        lines += [f"| {standard} | {what} |" for standard, what in rows]
        lines.append("")
    return "\n".join(lines)
