"""What the parts write down: no token, code or secret, neither in a log nor in a database file."""

import re

import pytest

pytestmark = pytest.mark.live

CREDENTIAL = re.compile(rb"tg(?:at|rt|ac|cs|ra|ia)_[0-9A-Za-z]{49}")
JWT = re.compile(rb"eyJ[0-9A-Za-z_-]{10,}\.eyJ[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{10,}")
# Files that hold a party's own credentials, for its owner alone (mode 0600), and what `make run`
# prints for the person who started it.
OWN = ("secrets", "quickstart.json", "serve.out")


def written_files(stack):
    for path in sorted(stack.home.rglob("*")):
        if path.is_file() and path.relative_to(stack.home).parts[0] not in OWN:
            yield path


def use_everything(stack):
    app = stack.new_application(plan="scale")
    token = app.token(scope="orders:read")
    assert stack.call("GET", "/orders/v1/orders/42", token=token).status_code == 200
    stack.call("GET", "/orders/v1/orders/42?access_token=" + token, token=None)
    stack.call("GET", "/orders/v1/orders/42", token=stack.mint_unknown_token())
    stack.revoke(token, client=app.credentials)
    return [token, app.credentials["client_secret"]]


def test_no_credential_is_written_anywhere(stack):
    used = use_everything(stack)
    assert all(CREDENTIAL.fullmatch(text.encode()) for text in used)  # the pattern finds them

    found = {
        str(path.relative_to(stack.home))
        for path in written_files(stack)
        if CREDENTIAL.search(path.read_bytes())
    }

    assert found == set()


def test_no_jwt_is_logged(stack):
    use_everything(stack)

    logs = sorted((stack.home / "log").iterdir())

    assert logs
    assert [path.name for path in logs if JWT.search(path.read_bytes())] == []


def test_files_that_hold_credentials_are_for_their_owner_alone(stack):
    paths = [stack.home / "quickstart.json", *(stack.home / "secrets").iterdir()]

    assert paths
    assert [path.name for path in paths if path.stat().st_mode & 0o077] == []
