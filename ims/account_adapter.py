"""How allauth behaves at our token service."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.login import record_authentication
from django.http import HttpRequest, HttpResponse

from ims.models import User
from ims.usernames import propose_username


class AccountAdapter(DefaultAccountAdapter):
    """Usernames are made from the e-mail address; people never choose one."""

    def populate_username(self, request: HttpRequest, user: User) -> None:
        """Set the username of a person who signs up."""
        del request
        if not user.username:
            user.username = propose_username(user.email)

    def post_login(
        self, request: HttpRequest, user: User, *, signup: bool, **login: Any
    ) -> HttpResponse:
        """Record the authentication event of a sign-up, which allauth leaves out.

        The person set the password in this very session and has shown that the mailbox is theirs.
        Without the record `auth_time` would be a guess.
        """
        if signup and not get_authentication_records(request, user):
            record_authentication(request, user, method="password")
        response: HttpResponse = super().post_login(request, user, signup=signup, **login)
        return response
