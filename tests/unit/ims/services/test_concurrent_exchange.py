"""Real transactions in real threads: a row lock cannot be seen inside one test transaction."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from ims.models import AccessToken, AuthorizationCode, Grant, RefreshToken
from ims.services.ensure_signing_key import ensure_signing_key
from ims.services.exchange_authorization_code import exchange_authorization_code
from ims.services.rotate_refresh_token import rotate_refresh_token
from tests.factories.authorization import VERIFIER, challenge_of, make_code_client
from tests.factories.identity import make_grant, make_refresh_token, make_user
from wire import bearer
from wire.oauth_errors import InvalidGrant

pytestmark = pytest.mark.django_db(transaction=True)
URI = "https://app.example/callback"


@pytest.fixture
def grant():
    ensure_signing_key()
    return make_grant(make_code_client().client, make_user(), scopes=["openid"])


def run_at_once(exchange, *, connections=2):
    """Return what threads that start together got: tokens or refusals."""
    start = threading.Barrier(connections)
    outcomes = []

    def attempt():
        start.wait()
        try:
            outcomes.append(exchange())
        except InvalidGrant as refusal:
            outcomes.append(refusal)
        finally:
            connection.close()

    threads = [threading.Thread(target=attempt) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return outcomes


def check_one_won_and_nothing_lives(outcomes):
    refusals = [outcome for outcome in outcomes if isinstance(outcome, InvalidGrant)]
    assert (len(outcomes), len(refusals)) == (2, 1)
    assert "used before" in refusals[0].description
    assert Grant.objects.get().revoked_at is not None
    assert [token.revoked_at is None for token in AccessToken.objects.all()] == [False]


def test_two_exchanges_of_one_code_cannot_both_win(grant):
    code = bearer.mint(bearer.Prefix.AUTHORIZATION_CODE)
    AuthorizationCode.objects.create(
        digest=bearer.digest(code),
        grant=grant,
        client=grant.client,
        redirect_uri=URI,
        code_challenge=challenge_of(VERIFIER),
        expires_at=timezone.now() + timedelta(seconds=60),
    )

    outcomes = run_at_once(
        lambda: exchange_authorization_code(
            client=grant.client, code=code, redirect_uri=URI, code_verifier=VERIFIER
        )
    )

    check_one_won_and_nothing_lives(outcomes)


def test_sixteen_rotations_of_one_refresh_token_have_one_successor(grant):
    token, _ = make_refresh_token(grant)

    outcomes = run_at_once(
        lambda: rotate_refresh_token(client=grant.client, refresh_token=token), connections=16
    )

    successors = {outcome.refresh_token for outcome in outcomes}
    assert (len(outcomes), len(successors)) == (16, 1)
    assert len({outcome.access_token for outcome in outcomes}) == 16
    digests = {bytes(row.digest) for row in RefreshToken.objects.all()}
    assert digests == {bearer.digest(token), *map(bearer.digest, successors)}
    assert Grant.objects.get().revoked_at is None


def test_repetition_against_the_use_of_the_successor_never_leaves_two_live_tokens(grant):
    first, _ = make_refresh_token(grant)
    second = rotate_refresh_token(client=grant.client, refresh_token=first).refresh_token
    presented = iter([first, second] * 4)

    run_at_once(
        lambda: rotate_refresh_token(client=grant.client, refresh_token=next(presented)),
        connections=8,
    )

    unused = RefreshToken.objects.filter(used_at=None).count()
    assert unused == 1
