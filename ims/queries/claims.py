"""OpenID Connect Core §5.1, §5.4: what a client may know about a person."""

from collections.abc import Collection

from allauth.account.models import EmailAddress

from ims.models import User


def list_claims(*, user: User, scopes: Collection[str]) -> dict[str, object]:
    """Return `sub` and the claims that `scopes` open; a claim without a value is left out.

    Runs a statement for the scope `email`.
    """
    claims: dict[str, object] = {}
    if "profile" in scopes:
        claims |= {
            "name": user.get_full_name(),
            "given_name": user.first_name,
            "family_name": user.last_name,
            "preferred_username": user.get_username(),
        }
    if "email" in scopes and user.email:
        claims |= {"email": user.email, "email_verified": is_email_verified(user)}
    return {"sub": str(user.subject)} | {k: v for k, v in claims.items() if v != ""}


def is_email_verified(user: User) -> bool:
    """Whether the person showed that the present address is theirs; runs a statement."""
    verified = EmailAddress.objects.filter(user=user, email__iexact=user.email, verified=True)
    return bool(verified.exists())
