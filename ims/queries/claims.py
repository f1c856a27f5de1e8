"""OpenID Connect Core §5.1, §5.4: what a client may know about a person."""

from collections.abc import Collection

from allauth.account.models import EmailAddress

from ims.models import Grant, User


def list_claims(*, user: User, scopes: Collection[str]) -> dict[str, object]:
    """Return `sub` and the claims that `scopes` open; a claim without a value is left out.

    Runs a statement for the scope `email`.
    """
    is_verified = "email" in scopes and is_email_verified(user)
    return {"sub": str(user.subject)} | _read_claims(user, scopes, is_email_verified=is_verified)


def list_id_token_claims(
    *, grant: Grant, scopes: Collection[str], is_email_verified: bool
) -> dict[str, object]:
    """Return the claims about the person that the ID token carries; runs no statement.

    OpenID Connect Core §5.5: those that the client asked for by name, if a scope that the person
    allowed opens them. A name alone opens nothing: the consent page speaks of scopes.
    """
    asked = grant.requested_claims.get("id_token", ())
    opened = _read_claims(grant.user, scopes, is_email_verified=is_email_verified) if asked else {}
    return {name: value for name, value in opened.items() if name in asked}


def is_email_verified(user: User) -> bool:
    """Whether the person showed that the present address is theirs; runs a statement."""
    verified = EmailAddress.objects.filter(user=user, email__iexact=user.email, verified=True)
    return bool(verified.exists())


def _read_claims(
    user: User, scopes: Collection[str], *, is_email_verified: bool
) -> dict[str, object]:
    claims: dict[str, object] = {}
    if "profile" in scopes:
        claims |= {
            "name": user.get_full_name(),
            "given_name": user.first_name,
            "family_name": user.last_name,
            "preferred_username": user.get_username(),
        }
    if "email" in scopes and user.email:
        claims |= {"email": user.email, "email_verified": is_email_verified}
    return {name: value for name, value in claims.items() if value != ""}
