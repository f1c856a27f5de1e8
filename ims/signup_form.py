"""The form of a new account, at one price whether or not the address has one."""

from typing import Any

from allauth.account.forms import SignupForm as AllauthSignupForm
from django.http import HttpRequest, HttpResponse

from ims.models import User


class SignupForm(AllauthSignupForm):
    """Both outcomes look alike and send a mail; this makes them take as long, too."""

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        """Hash the password that nobody will have where there is an account already."""
        if self.account_already_exists:
            User().set_password(self.cleaned_data["password1"])
        saved: tuple[Any, HttpResponse | None] = super().try_save(request)
        return saved
