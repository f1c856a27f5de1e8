"""The order of admin's sidebar: what is worked on daily stands at the top."""

from typing import Any, Final

from django.contrib import admin
from django.http import HttpRequest

# Group: (app label, object name, icon of Material Symbols).
_GROUPS: Final = (
    (
        "Catalog",
        (
            ("catalog", "API", "api"),
            ("catalog", "Upstream", "dns"),
            ("catalog", "Issuer", "verified_user"),
            ("catalog", "ResourceRegistration", "sync"),
        ),
    ),
    ("Offer", (("plans", "Product", "inventory_2"), ("plans", "Plan", "sell"))),
    (
        "Customers",
        (
            ("subscriptions", "Subscription", "handshake"),
            ("subscriptions", "Subscriber", "person_pin"),
            ("billing", "Invoice", "receipt_long"),
        ),
    ),
    (
        "Identity",
        (
            ("ims", "User", "person"),
            ("ims", "Client", "apps"),
            ("ims", "ProtectedResource", "shield"),
            ("ims", "Consent", "fact_check"),
            ("ims", "Grant", "key"),
            ("ims", "SigningKey", "signature"),
            ("ims", "AuditEvent", "history"),
            ("ims", "AuditSeal", "verified"),
        ),
    ),
    (
        "Registration and exchange",
        (
            ("ims", "RegistrationPolicy", "rule"),
            ("ims", "InitialAccessToken", "confirmation_number"),
            ("ims", "TokenExchangePolicy", "swap_horiz"),
        ),
    ),
    (
        "Sign-in",
        (
            ("account", "EmailAddress", "mail"),
            ("mfa", "Authenticator", "phonelink_lock"),
            ("usersessions", "UserSession", "devices"),
            ("auth", "Group", "group"),
        ),
    ),
)
_OTHER_ICON: Final = "database"


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the groups that the person may see; what has no place of its own comes last."""
    apps = admin.site.get_app_list(request)
    left = {
        (app["app_label"], model["object_name"]): (app["name"], model)
        for app in apps
        for model in app["models"]
    }
    groups = []
    for title, wanted in _GROUPS:
        items = [
            _item(left.pop((label, name))[1], icon)
            for label, name, icon in wanted
            if (label, name) in left
        ]
        groups.append({"title": title, "separator": True, "items": items})
    others: dict[str, list[dict[str, Any]]] = {}
    for app_name, model in left.values():
        others.setdefault(app_name, []).append(_item(model, _OTHER_ICON))
    groups += [
        {"title": title, "separator": True, "collapsible": True, "items": items}
        for title, items in others.items()
    ]
    return [group for group in groups if group["items"]]


def _item(model: dict[str, Any], icon: str) -> dict[str, Any]:
    link = model["admin_url"] or model["add_url"]
    return {"title": model["name"], "icon": icon, "link": link}
