import pytest
from django.contrib.auth import get_user_model

from config.admin_sidebar import navigation

pytestmark = pytest.mark.django_db


@pytest.fixture
def superuser():
    return get_user_model().objects.create_superuser(
        username="root", email="root@example.com", password="x"
    )


def test_sidebar_has_every_page_of_admin_once(rf, superuser, client):
    request = rf.get("/admin/")
    request.user = superuser
    client.force_login(superuser)

    groups = navigation(request)

    assert [group["title"] for group in groups[:3]] == ["Catalog", "Offer", "Customers"]
    links = [item["link"] for group in groups for item in group["items"]]
    assert len(links) == len(set(links))
    assert "/admin/catalog/api/" in links
    page = client.get("/admin/").content.decode()
    assert all(link in page for link in links)


def test_sidebar_shows_nothing_that_may_not_be_seen(rf):
    request = rf.get("/admin/")
    request.user = get_user_model().objects.create_user(
        username="staff", email="s@example.com", password="x", is_staff=True
    )

    assert navigation(request) == []
