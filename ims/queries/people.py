"""People, found."""

from ims.models import User


def find_person(*, login: str) -> User | None:
    """Return whose username or primary e-mail address `login` is, in any case of letters."""
    if not login or "\0" in login:
        return None
    if "@" in login:
        return User.objects.filter(email__iexact=login).first()
    return User.objects.filter(username__iexact=login).first()
