"""RFC 9470: an operation may ask how, and how long ago, the user signed in."""

import time

import pytest

from wire.gateway_snapshot import Operation

MFA = "urn:example:mfa"


def challenge(answer) -> str:
    assert answer.status == 401
    assert answer.problem["type"] == "/problems/insufficient-user-authentication"
    told = answer.value("www-authenticate")
    assert 'error="insufficient_user_authentication"' in told
    return told


@pytest.mark.compliance("RFC 9470", "3", "the challenge names the acr_values that would do")
@pytest.mark.parametrize("acr", [None, "urn:example:password", "urn:example:mfa2"])
async def test_another_way_to_sign_in_is_asked_for(gateway, upstream, acr):
    gateway.configure(acr_values=("urn:example:hwk", MFA))
    claims = {} if acr is None else {"acr": acr}

    answer = await gateway.call(token=gateway.authority.issue(**claims))

    told = challenge(answer)
    assert f'acr_values="urn:example:hwk {MFA}"' in told
    assert "max_age" not in told
    assert 'scope="orders:read"' in told
    assert "resource_metadata=" in told
    assert not upstream.requests


async def test_one_of_the_values_will_do(gateway):
    gateway.configure(acr_values=("urn:example:hwk", MFA))

    assert (await gateway.call(token=gateway.authority.issue(acr=MFA))).status == 200


@pytest.mark.compliance("RFC 9470", "3", "the challenge names the max_age")
@pytest.mark.parametrize("ago", [None, 400])
async def test_a_newer_authentication_is_asked_for(gateway, ago):
    gateway.configure(max_auth_age_seconds=300)
    claims = {} if ago is None else {"auth_time": int(time.time()) - ago}

    told = challenge(await gateway.call(token=gateway.authority.issue(**claims)))

    assert 'max_age="300"' in told
    assert "acr_values" not in told


async def test_an_authentication_grows_old_while_its_token_is_warm(gateway, monkeypatch):
    gateway.configure(max_auth_age_seconds=300)
    now = time.time()
    token = gateway.authority.issue(auth_time=int(now) - 100)
    assert (await gateway.call(token=token)).status == 200

    monkeypatch.setattr("gateway.dataplane.decision.time.time", lambda: now + 250)

    challenge(await gateway.call(token=token))
    assert len(gateway.authority.asked) == 1


async def test_an_operation_has_demands_of_its_own(gateway):
    gateway.configure(
        Operation("get", "GET", "/orders/{id}"),
        Operation("pay", "POST", "/orders", acr_values=(MFA,), max_auth_age_seconds=60),
        acr_values=("urn:example:password",),
    )
    token = gateway.authority.issue(acr="urn:example:password", auth_time=int(time.time()))

    assert (await gateway.call(token=token)).status == 200
    told = challenge(await gateway.call("/orders/v1/orders", method="POST", token=token))
    assert f'acr_values="{MFA}", max_age="60"' in told


async def test_an_auth_time_that_is_no_time_is_nonsense(gateway):
    gateway.configure(max_auth_age_seconds=60)

    assert (await gateway.call(token=gateway.authority.issue(auth_time="now"))).status == 503
    assert (await gateway.call(token=gateway.authority.issue(auth_time=float("nan")))).status == 503
