"""How allauth behaves at our token service."""

from allauth.account.adapter import DefaultAccountAdapter


class AccountAdapter(DefaultAccountAdapter):
    """Usernames are made from the e-mail address; people never choose one."""
