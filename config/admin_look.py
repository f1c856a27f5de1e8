"""Admin in the portal's colours and under its sign."""

from typing import Any, Final

from django.http import HttpRequest
from django.templatetags.static import static

_HUE: Final = 271  # of the portal's accent, #3440d4, which is shade 600
# Shade: lightness in per cent, chroma.
_SHADES: Final = {
    50: (96.8, 0.014),
    100: (93.5, 0.03),
    200: (87.5, 0.058),
    300: (79, 0.105),
    400: (68, 0.155),
    500: (65, 0.17),
    600: (46, 0.225),
    700: (40, 0.205),
    800: (35, 0.17),
    900: (30, 0.13),
    950: (22, 0.09),
}
PRIMARY: Final = {
    str(shade): f"oklch({lightness}% {chroma} {_HUE})"
    for shade, (lightness, chroma) in _SHADES.items()
}


def site_icon(request: HttpRequest) -> str:
    del request
    return static("portal/logo.svg")


def favicon(request: HttpRequest) -> str:
    del request
    return static("portal/favicon.svg")


def style(request: HttpRequest) -> str:
    del request
    return static("config/admin.css")


def script(request: HttpRequest) -> str:
    del request
    return static("config/admin.js")


# The settings of django-unfold.
UNFOLD: Final[dict[str, Any]] = {
    "SITE_TITLE": "Tollgate",
    "SITE_HEADER": "Tollgate",
    "SITE_URL": "/",
    "SITE_ICON": site_icon,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": favicon}],
    "COLORS": {"primary": PRIMARY},
    "STYLES": [style],
    "SCRIPTS": [script],
    "SIDEBAR": {"show_search": True, "navigation": "config.admin_sidebar.navigation"},
}
