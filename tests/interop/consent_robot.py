"""A person at our pages, by plain HTTP: signs in, allows, denies, types a device's code.

Knows the pages only as a browser does: by forms, redirects and `meta refresh`.
"""

import re
from html.parser import HTMLParser
from urllib.parse import urljoin

import httpx

MOST_PAGES = 12
_REFRESH = re.compile(r"\d+\s*;\s*url=(?P<url>.+)", re.IGNORECASE)


class Form:
    def __init__(self, action):
        self.action = action
        self.fields = {}
        self.buttons = []


class Page(HTMLParser):
    """The forms of a page, its words, and where it goes by itself."""

    def __init__(self, response):
        super().__init__()
        self.url = str(response.url)
        self.forms = []
        self.refresh = None
        self.words = []
        self.feed(response.text)

    def handle_starttag(self, tag, attributes):
        given = {name: value or "" for name, value in attributes}
        if tag == "form":
            self.forms.append(Form(urljoin(self.url, given.get("action", ""))))
        elif tag == "meta" and given.get("http-equiv", "").lower() == "refresh":
            self.refresh = _REFRESH.fullmatch(given["content"])["url"]
        elif self.forms and given.get("name"):
            self._add_control(tag, given)

    def _add_control(self, tag, given):
        form = self.forms[-1]
        if tag == "button":
            form.buttons.append((given["name"], given.get("value", "")))
        elif tag in {"input", "select", "textarea"}:
            form.fields[given["name"]] = given.get("value", "")

    def handle_data(self, data):
        self.words.append(data)

    def find_form(self, field):
        """The form with a control of this name, or None."""
        for form in self.forms:
            if field in form.fields or any(name == field for name, _ in form.buttons):
                return form
        return None

    def __str__(self):
        return f"{self.url}: {' '.join(' '.join(self.words).split())}"


class ConsentRobot:
    """One browser profile of one person; stays signed in from one request to the next."""

    def __init__(self, issuer, person):
        self.issuer = issuer
        self.person = person
        self.signed_in = 0
        self.asked = []
        self._browser = httpx.Client(timeout=30, follow_redirects=False)

    def close(self):
        self._browser.close()

    def follow(self, url, decision="allow"):
        """Return the address outside the token service that its pages lead to from `url`."""
        return self._walk(self._browser.get(url), decision)

    def enter_code(self, url, code, decision="allow"):
        """Return the last page's words after typing a device's `code` (RFC 8628 §3.3)."""
        return self._walk(self._browser.get(url), decision, code)

    def _walk(self, response, decision, code=None):
        for _ in range(MOST_PAGES):
            target = self._find_target(response)
            if target is not None and not target.startswith(f"{self.issuer}/"):
                return target
            if target is not None:
                response = self._browser.get(target)
                continue
            page = Page(response)
            answered = self._answer(page, decision, code)
            if answered is None:
                assert code is not None, f"nothing to fill in on {page}"
                return str(page)
            response = answered
        raise AssertionError(f"no end in sight at {response.url}")

    def _find_target(self, response):
        """Where the browser goes by itself."""
        if response.is_redirect:
            return urljoin(str(response.url), response.headers["location"])
        page = Page(response)
        assert response.status_code == 200, f"{response.status_code} {page}"
        return page.refresh

    def _answer(self, page, decision, code):
        """Fill in the page's form as the person would; None where there is none."""
        if form := page.find_form("password"):
            self.signed_in += 1
            return self._submit(form, login=self.person["email"], password=self.person["password"])
        if form := page.find_form("decision"):
            self.asked.append(str(page))
            return self._submit(form, decision=decision)
        if form := page.find_form("user_code"):
            return self._submit(form, user_code=code)
        return None

    def _submit(self, form, **values):
        return self._browser.post(form.action, data={**form.fields, **values})
