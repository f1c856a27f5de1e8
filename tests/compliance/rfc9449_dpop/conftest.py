import pytest

from ims.dpop.nonces import get_nonce
from ims.services.ensure_signing_key import ensure_signing_key
from tests.factories import authorization as flow
from tests.factories.keys import make_key, make_proof


@pytest.fixture(autouse=True)
def _installation(db):
    ensure_signing_key()
    flow.make_orders()


@pytest.fixture
def key():
    return make_key()


class DPoPClient:
    """Sends token requests with proofs made by `key`, signed with the present nonce."""

    def __init__(self, browser, key):
        self.browser = browser
        self.key = key

    def post(self, address, known, *, proof=None, **form):
        proof = proof or make_proof(self.key, address, nonce=get_nonce())
        headers = getattr(known, "headers", {}) | {"DPoP": proof}
        if "Authorization" not in headers:
            form["client_id"] = known.client_id
        body = flow.urlencode(form, doseq=True)
        return self.browser.post(address, body, content_type=flow.FORM, headers=headers)

    def exchange(self, known, code, **options):
        return self.post(
            "/oauth/token",
            known,
            grant_type="authorization_code",
            code=code,
            redirect_uri=flow.REDIRECT_URI,
            code_verifier=flow.VERIFIER,
            **options,
        )

    def refresh(self, known, token, **options):
        return self.post(
            "/oauth/token", known, grant_type="refresh_token", refresh_token=token, **options
        )


@pytest.fixture
def dpop(client, key):
    return DPoPClient(client, key)


@pytest.fixture
def browser(client):
    return flow.sign_in(client, flow.make_person())
