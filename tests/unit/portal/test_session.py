import pytest
from django.conf import settings
from django.contrib.sessions.exceptions import SessionInterrupted
from django.http import HttpResponse

from portal.session import PortalSessionMiddleware


@pytest.mark.django_db
def test_session_that_another_tab_ended_is_not_brought_back(rf):
    middleware = PortalSessionMiddleware(lambda _: HttpResponse())
    request = rf.get("/")
    middleware.process_request(request)
    request.portal_session["developer_id"] = "ada"
    answer = middleware.process_response(request, HttpResponse())
    rf.cookies.update(answer.cookies)
    late = rf.get("/")
    middleware.process_request(late)
    assert late.portal_session["developer_id"] == "ada"

    request.portal_session.flush()
    late.portal_session["sign_ins"] = {}

    with pytest.raises(SessionInterrupted):
        middleware.process_response(late, HttpResponse())


@pytest.mark.django_db
def test_cookie_cannot_choose_the_key_of_a_session(rf):
    middleware = PortalSessionMiddleware(lambda _: HttpResponse())
    rf.cookies[settings.PORTAL_SESSION_COOKIE_NAME] = planted = "planted0by0an0attacker0000000000"
    request = rf.get("/")
    middleware.process_request(request)
    request.portal_session["developer_id"] = "ada"

    answer = middleware.process_response(request, HttpResponse())

    assert answer.cookies[settings.PORTAL_SESSION_COOKIE_NAME].value not in {"", planted}
