"""Typed readers of the environment, and the folder where this installation keeps its data."""

import json
import os
import secrets
from pathlib import Path
from typing import Final

BASE_DIR: Final = Path(__file__).resolve().parent.parent


class BadEnvironment(Exception):
    """A variable is missing or unusable; the message names it and the mend."""


def text(name: str, default: str) -> str:
    return os.environ.get(name) or default


def integer(name: str, default: int) -> int:
    raw = os.environ.get(name)
    if not raw:
        return default
    try:
        return int(raw)
    except ValueError as error:
        raise BadEnvironment(f"{name} must be a whole number, not {raw!r}.") from error


def flag(name: str, *, default: bool) -> bool:
    raw = os.environ.get(name, "").lower()
    if not raw:
        return default
    if raw in {"1", "true", "yes", "on"}:
        return True
    if raw in {"0", "false", "no", "off"}:
        return False
    raise BadEnvironment(f"{name} must be true or false, not {raw!r}.")


def home() -> Path:
    """Return the data folder: TOLLGATE_HOME, or var/ beside the code."""
    return Path(text("TOLLGATE_HOME", str(BASE_DIR / "var"))).resolve()


def is_production() -> bool:
    mode = text("TOLLGATE_MODE", "development")
    if mode not in {"development", "production"}:
        raise BadEnvironment(f"TOLLGATE_MODE must be development or production, not {mode!r}.")
    return mode == "production"


def secret_key() -> str:
    """Return TOLLGATE_SECRET_KEY; in development one is made and kept under var/secrets."""
    given = os.environ.get("TOLLGATE_SECRET_KEY")
    if given:
        return given
    if is_production():
        raise BadEnvironment("Set TOLLGATE_SECRET_KEY to at least 32 random characters.")
    path = home() / "secrets" / "secret_key"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(48))
    return path.read_text()


def service_url(variable: str) -> str:
    """Return DATABASE_URL or REDIS_URL: from the environment, else of the embedded servers.

    The embedded servers write their addresses to var/run/services.json when they start.
    """
    given = os.environ.get(variable)
    if given:
        return given
    path = home() / "run" / "services.json"
    if path.exists():
        return str(json.loads(path.read_text()).get(variable, ""))
    return ""
