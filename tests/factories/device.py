"""The steps of a device and its person through RFC 8628, over HTTP."""

import re
from urllib.parse import urlencode

from tests.factories import authorization as flow

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


def device_client_members():
    return {"grant_types": [DEVICE_CODE, "refresh_token"], "name": "Living-room TV"}


def make_device_client(**changes):
    """Return a confidential client, with its secret, that may use device codes."""
    return flow.make_client(**(device_client_members() | changes))


def make_public_device_client(**changes):
    return flow.make_public_client(**(device_client_members() | changes))


def start(browser, known, **changes):
    """POST to the device authorization endpoint as `known`; a change to None leaves one out."""
    form = {"scope": "openid orders:read"} | changes
    form = {name: value for name, value in form.items() if value is not None}
    headers = getattr(known, "headers", {})
    if not headers:
        form["client_id"] = known.client_id
    return browser.post(
        "/oauth/device_authorization",
        urlencode(form, doseq=True),
        content_type=flow.FORM,
        headers=headers,
    )


def poll(browser, known, device_code, **changes):
    return flow.post_token(
        browser, known, grant_type=DEVICE_CODE, device_code=device_code, **changes
    )


def type_code(browser, user_code):
    return browser.post("/device", {"user_code": user_code})


def decide(browser, decision="allow", **changes):
    """Answer the page that shows what the device asks for, as it is now."""
    seen = re.search(r'name="seen" value="(\w+)"', flow.text_of(browser.get("/device/confirm")))
    form = {"decision": decision, "seen": seen[1] if seen else ""} | changes
    return browser.post("/device/confirm", form)


def allow(browser, user_code):
    assert type_code(browser, user_code).status_code == 303
    response = decide(browser)
    assert response.status_code == 200, response.content
    return response
