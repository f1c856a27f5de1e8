"""The administrator and the developer of a new installation, with random passwords."""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.conf import settings
from django.contrib.auth import get_user_model

from config.private_files import write_private
from ims.services.create_administrator import create_administrator
from ims.services.create_person import create_person

ADMIN_USERNAME: Final = "admin"
ADMIN_EMAIL: Final = "admin@tollgate.example"
DEVELOPER_EMAIL: Final = "developer@tollgate.example"
_DEVELOPER_NAME: Final = "Demo Developer"
_PASSWORD_BYTES: Final = 18


@dataclass(frozen=True)
class DemoPasswords:
    admin: str
    developer: str


def seed_demo_people() -> None:
    """See that both people exist and have the passwords that `read_demo_passwords` returns.

    Passwords whose file was lost are replaced: nobody knows them any more.
    """
    passwords = _read() or _renew()
    people = get_user_model()
    if not people.objects.filter(username=ADMIN_USERNAME).exists():
        create_administrator(username=ADMIN_USERNAME, password=passwords.admin, email=ADMIN_EMAIL)
    if not people.objects.filter(email=DEVELOPER_EMAIL).exists():
        create_person(email=DEVELOPER_EMAIL, password=passwords.developer, name=_DEVELOPER_NAME)


def read_demo_passwords() -> DemoPasswords:
    """Return the passwords of the last seed. Raises LookupError before it."""
    passwords = _read()
    if passwords is None:
        raise LookupError("The demo was not seeded yet: run `manage.py prepare`.")
    return passwords


def _read() -> DemoPasswords | None:
    try:
        return DemoPasswords(**json.loads(_path().read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _renew() -> DemoPasswords:
    passwords = DemoPasswords(
        admin=secrets.token_urlsafe(_PASSWORD_BYTES),
        developer=secrets.token_urlsafe(_PASSWORD_BYTES),
    )
    _replace_password({"username": ADMIN_USERNAME}, passwords.admin)
    _replace_password({"email": DEVELOPER_EMAIL}, passwords.developer)
    write_private(_path(), json.dumps({"admin": passwords.admin, "developer": passwords.developer}))
    return passwords


def _replace_password(who: dict[str, str], password: str) -> None:
    for person in get_user_model().objects.filter(**who):
        person.set_password(password)
        person.save(update_fields=["password"])


def _path() -> Path:
    return Path(settings.SECRETS_DIR) / "demo-people.json"
