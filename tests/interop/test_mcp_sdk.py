"""The Model Context Protocol's Python SDK: an agent that knows nothing but an API's address."""

import contextlib
import ssl
import time
from urllib.parse import parse_qsl, urlsplit

import anyio
import httpx2
import pytest
from mcp.client.auth import OAuthClientProvider
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

pytestmark = pytest.mark.live
REDIRECT_URI = "http://127.0.0.1:33418/callback"
# What the gateway takes to hear of a new subscription.
NEWS_SECONDS = 1


class Agent:
    """An agent and its person; remembers what the SDK asks it to store."""

    def __init__(self, stack, person, plan):
        self.tokens = []
        self.client = None
        self.asked_scopes = []
        self._stack = stack
        self._person = person
        self._plan = plan
        self._returned = None

    # --- the SDK's storage ----------------------------------------------------------------

    async def get_tokens(self):
        return self.tokens[-1] if self.tokens else None

    async def set_tokens(self, tokens):
        self.tokens.append(tokens)

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client_info):
        """Keep it; and as its person would in the portal, subscribe to the API."""
        self.client = client_info
        self._stack.ask("subscribe", client_info.client_id, self._plan)
        await anyio.sleep(NEWS_SECONDS)

    # --- the SDK's handlers ---------------------------------------------------------------

    async def show(self, url):
        self.asked_scopes.append(dict(parse_qsl(urlsplit(url).query))["scope"])
        self._returned = await anyio.to_thread.run_sync(self._person.follow, url)

    async def wait_for_return(self):
        returned = dict(parse_qsl(urlsplit(self._returned).query))
        return AuthorizationCodeResult(
            code=returned["code"], state=returned.get("state"), iss=returned.get("iss")
        )


@pytest.fixture
def open_door(stack):
    """Registration without a token, as an administrator may allow it."""
    stack.ask("open_registration", True)
    yield
    stack.ask("open_registration", False)


@contextlib.asynccontextmanager
async def connect(stack, agent, **options):
    provider = OAuthClientProvider(
        server_url=stack.quickstart["client"]["resource"],
        client_metadata=OAuthClientMetadata(
            client_name="An agent",
            redirect_uris=[REDIRECT_URI],
            token_endpoint_auth_method="none",
        ),
        storage=agent,
        redirect_handler=agent.show,
        callback_handler=agent.wait_for_return,
        **options,
    )
    context = ssl.create_default_context(cafile=stack.ca_file)
    async with httpx2.AsyncClient(auth=provider, verify=context, timeout=30) as client:
        client.provider = provider
        yield client


async def test_agent_registers_refreshes_and_steps_up(stack, person, open_door):
    agent = Agent(stack, person, plan="scale")

    await use_orders(stack, agent)

    assert not agent.client.client_id.startswith("https:")


async def test_agent_with_a_metadata_document_needs_no_registration(stack, person, documents):
    agent = Agent(stack, person, plan="scale")
    origin, published = documents
    url = f"{origin}/agent.json"
    published["/agent.json"] = {
        "client_id": url,
        "client_name": "An agent",
        "client_uri": origin,
        "redirect_uris": [REDIRECT_URI],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    }

    await use_orders(stack, agent, client_metadata_url=url)

    assert agent.client.client_id == url


async def use_orders(stack, agent, **options):
    """From the first 401 to a call that needs more than the person had allowed at first."""
    orders = f"{stack.quickstart['client']['resource']}/orders"
    async with connect(stack, agent, **options) as client:
        read = await client.get(orders)
        assert read.status_code == 200, read.text
        assert agent.asked_scopes == ["orders:read offline_access"]

        client.provider.context.token_expiry_time = time.time() - 1
        read = await client.get(orders)
        assert read.status_code == 200, read.text
        assert agent.tokens[1].refresh_token != agent.tokens[0].refresh_token
        assert len(agent.asked_scopes) == 1  # nobody was asked

        placed = await client.post(orders, json={"item": "tea", "quantity": 1})
        assert placed.status_code == 201, placed.text
        assert set(agent.asked_scopes[1].split()) >= {"orders:read", "orders:write"}
        assert set(agent.tokens[2].scope.split()) >= {"orders:read", "orders:write"}
