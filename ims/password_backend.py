"""The check of a password at sign-in, at one price for everybody."""

from allauth.account.auth_backends import AuthenticationBackend
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest


class PasswordBackend(AuthenticationBackend):
    """allauth's, which looks a person up by what was typed as an address, a username, or both.

    It would hash a wrong password twice for an address that it knows and once for any other, so
    that the time of a refusal told who has an account.
    """

    def authenticate(
        self, request: HttpRequest | None, **credentials: str
    ) -> AbstractBaseUser | None:
        """Return the person whose password it is; one hash, whoever was named."""
        self._checked: set[object] = set()
        person: AbstractBaseUser | None = super().authenticate(request, **credentials)
        return person

    def _check_password(
        self, user: AbstractBaseUser | None, password: str
    ) -> AbstractBaseUser | None:
        if user is None or user.pk in self._checked:
            return None
        self._checked.add(user.pk)
        person: AbstractBaseUser | None = super()._check_password(user, password)
        return person
