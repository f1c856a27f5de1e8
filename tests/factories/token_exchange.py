"""Clients, policies and requests of RFC 8693."""

from ims.models import TokenExchangePolicy
from tests.factories import authorization as flow
from tests.factories.identity import ORDERS, make_client

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


def make_acting_client(**changes):
    """Return a confidential client, with its secret, that may ask for exchanges."""
    members = {"grant_types": [TOKEN_EXCHANGE, "client_credentials"], "name": "Agent"}
    return make_client(**(members | changes))


def make_policy(acting, *subjects, **changes):
    """Let `acting` delegate and impersonate for `subjects`, reading orders."""
    members = {
        "may_impersonate": True,
        "may_delegate": True,
        "resources": [ORDERS],
        "scopes": ["orders:read"],
    }
    policy = TokenExchangePolicy.objects.create(client=acting.client, **(members | changes))
    policy.subject_clients.set([subject.client for subject in subjects])
    return policy


def exchange(browser, acting, token, /, **changes):
    """POST a token exchange; a change to None leaves a parameter out."""
    form = {
        "grant_type": TOKEN_EXCHANGE,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN,
    } | changes
    if "actor_token" in changes:
        form.setdefault("actor_token_type", ACCESS_TOKEN)
    if not hasattr(acting, "headers"):
        form["client_id"] = acting.client_id
    return flow.post_token(browser, acting, **{k: v for k, v in form.items() if v is not None})
