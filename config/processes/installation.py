"""Where one installation lives: its folder, its ports, its addresses."""

import urllib.parse
from dataclasses import dataclass
from pathlib import Path

from config import env


@dataclass(frozen=True)
class Installation:
    """What the environment says about this installation; see `docs/configuration.md`."""

    home: Path
    web_port: int
    gateway_port: int
    gateway_admin_port: int
    demo_port: int
    issuer: str
    gateway_url: str

    @property
    def ports(self) -> dict[str, int]:
        """The port of each variable that can move it."""
        return {
            "TOLLGATE_WEB_PORT": self.web_port,
            "TOLLGATE_GATEWAY_PORT": self.gateway_port,
            "TOLLGATE_GATEWAY_ADMIN_PORT": self.gateway_admin_port,
            "TOLLGATE_DEMO_PORT": self.demo_port,
        }

    @property
    def ca_file(self) -> Path:
        return self.home / "tls" / "ca.pem"

    @property
    def quickstart_file(self) -> Path:
        return self.home / "quickstart.json"


def read_installation() -> Installation:
    """Return what the environment says. Raises env.BadEnvironment."""
    web_port = _port("TOLLGATE_WEB_PORT", 8000)
    gateway_port = _port("TOLLGATE_GATEWAY_PORT", 8443)
    issuer = env.text("TOLLGATE_ISSUER", f"http://localhost:{web_port}")
    parts = urllib.parse.urlsplit(issuer)
    if parts.scheme not in {"http", "https"} or not parts.hostname or issuer.endswith("/"):
        raise env.BadEnvironment(
            f"TOLLGATE_ISSUER must be an http or https address without a last slash, not {issuer}."
        )
    return Installation(
        home=env.home(),
        web_port=web_port,
        gateway_port=gateway_port,
        gateway_admin_port=_port("TOLLGATE_GATEWAY_ADMIN_PORT", 9443),
        demo_port=_port("TOLLGATE_DEMO_PORT", 9100),
        issuer=issuer,
        gateway_url=env.text("TOLLGATE_GATEWAY_URL", f"https://localhost:{gateway_port}"),
    )


def _port(variable: str, default: int) -> int:
    port = env.integer(variable, default)
    if not 0 < port < 65_536:
        raise env.BadEnvironment(f"{variable} must be a port number, not {port}.")
    return port
