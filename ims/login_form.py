"""The sign-in form, with what the application knows of the person filled in."""

import re
from typing import Any, Final

from allauth.account.forms import LoginForm as AllauthLoginForm
from django.http import HttpRequest

from ims.authorization import pending

# The address that a request to sign in for an application comes back to.
_CONSENT_PAGE: Final = re.compile(r"/oauth/consent/([A-Za-z0-9_-]+)")
_LONGEST: Final = 254  # characters; an e-mail address (RFC 5321 §4.5.3.1)


class LoginForm(AllauthLoginForm):
    """OpenID Connect Core §3.1.2.1: `login_hint` is only a hint, and may be changed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        login = self.fields["login"]
        login.label = "E-mail or username"
        login.widget.attrs.pop("placeholder", None)
        hint = "" if self.request is None else find_login_hint(self.request)
        if hint:
            self.fields["login"].initial = hint


def find_login_hint(request: HttpRequest) -> str:
    """Return the hint of the authorization request that the person signs in for, or nothing."""
    page = _CONSENT_PAGE.fullmatch(request.GET.get("next", ""))
    asked = pending.find(request.session, page[1]) if page else None
    hint = asked.parameters.get("login_hint", ("",))[0] if asked else ""
    return hint if hint.isprintable() and len(hint) <= _LONGEST else ""
