import pytest
from allauth.account.models import EmailAddress

from ims.errors import PersonExists
from ims.models import User
from ims.services.create_administrator import create_administrator
from ims.services.create_person import create_person

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("name", "given", "family"),
    [("Ada Lovelace", "Ada", "Lovelace"), ("Ada", "Ada", ""), ("", "", ""), ("A B C", "A B", "C")],
)
def test_person_has_a_verified_address_and_a_name(name, given, family):
    person = create_person(email="Ada@Example.com", password="pw", name=name)

    assert (person.first_name, person.last_name) == (given, family)
    address = EmailAddress.objects.get(user=person)
    assert (address.email, address.verified, address.primary) == ("ada@example.com", True, True)
    assert not person.is_staff


def test_address_belongs_to_one_person_in_any_case():
    create_person(email="ada@example.com", password="pw")

    with pytest.raises(PersonExists, match=r"ADA@example\.com"):
        create_person(email="ADA@example.com", password="pw")
    assert User.objects.count() == 1


def test_administrator_signs_in_to_admin(client):
    create_administrator(username="admin", password="pw", email="admin@example.com")

    client.post("/accounts/login/", {"login": "admin", "password": "pw"})

    assert client.get("/admin/").status_code == 200


def test_existing_account_is_never_raised_to_administrator():
    User.objects.create_user(username="admin", email="eve@example.com", password="pw")

    with pytest.raises(PersonExists):
        create_administrator(username="admin", password="pw", email="admin@example.com")
    assert not User.objects.get().is_superuser


def test_subject_is_never_the_database_id():
    person = create_person(email="ada@example.com", password="pw")

    assert str(person.subject) != str(person.pk)
