"""OAuth 2.0 Multiple Response Types §2.1, Form Post Response Mode: how an answer travels."""

from typing import Final

QUERY: Final = "query"
FORM_POST: Final = "form_post"
SUPPORTED: Final = (QUERY, FORM_POST)


def is_possible(mode: str, *, redirect_uri: str) -> bool:
    """Whether an answer by `mode` reaches `redirect_uri`: browsers post to the web only."""
    return mode == QUERY or (mode == FORM_POST and redirect_uri.startswith(("https:", "http:")))
