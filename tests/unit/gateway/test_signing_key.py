import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.dataplane.minted_jwt import JWTMint
from gateway.dataplane.phantom_token import Expectations, NonsenseAnswer
from gateway.signing_key import SigningKeyUnusable, load_signing_key

EXPECTED = Expectations("https://login.example", "https://api.test/orders")
ANSWER = {"active": True, "client_id": "app", "scope": "orders:read"}


def test_workers_that_start_at_once_have_one_key_that_only_they_can_read(tmp_path):
    path = tmp_path / "gateway" / "key.pem"

    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: load_signing_key(path), range(8)))

    assert len({key.public_key().public_numbers() for key in keys}) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["key.pem"]


def test_a_file_that_is_no_key_is_told_by_name(tmp_path):
    path = tmp_path / "key.pem"
    path.write_text("no key")

    with pytest.raises(SigningKeyUnusable, match=r"key\.pem"):
        load_signing_key(path)


@pytest.fixture
def make(tmp_path):
    jwt_mint = JWTMint(load_signing_key(tmp_path / "key.pem"), "https://gateway.test")

    def make_token(**changes):
        return jwt_mint.make(
            {**ANSWER, **changes}, EXPECTED, max_age_seconds=None, unix_now=1000.5, now=5.0
        )

    return make_token


def test_an_answer_without_end_and_audience_is_good_for_five_minutes(make):
    token = make()

    assert (token.client_id, token.scopes) == ("app", {"orders:read"})
    assert 5.0 + 299 <= token.expires_at <= 5.0 + 300


@pytest.mark.parametrize("audience", ["https://other.example", ["https://other.example"], None, 5])
def test_an_answer_for_another_audience_is_for_nobody_here(make, audience):
    assert make(aud=audience) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"},
        {"exp": 999},
        {"exp": "soon"},
        {"exp": float("nan")},
        {"nbf": 2000},
        {"client_id": None},
        {"scope": ["orders:read"]},
        {"sub": 5},
        {"amr": {1, 2}},
    ],
)
def test_an_answer_that_cannot_be_is_nonsense(make, changes):
    with pytest.raises(NonsenseAnswer):
        make(**changes)
