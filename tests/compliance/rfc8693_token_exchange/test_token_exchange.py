from datetime import timedelta

import jwt
import pytest
from django.conf import settings
from django.utils import timezone

from ims.models import AccessToken, Client, RefreshToken, User
from ims.services.ensure_signing_key import ensure_signing_key
from tests.factories import authorization as flow
from tests.factories import token_exchange as rfc8693
from tests.factories.identity import (
    INVOICES,
    ORDERS,
    make_access_token,
    make_client,
    make_grant,
    make_public_client,
    make_resource,
    make_user,
)
from tests.factories.token_exchange import ACCESS_TOKEN, exchange
from wire import bearer

pytestmark = pytest.mark.django_db
TYPES = "urn:ietf:params:oauth:token-type:"


@pytest.fixture
def gateway():
    return make_client()


@pytest.fixture(autouse=True)
def _installation(gateway):
    ensure_signing_key()
    make_resource(ORDERS, readers=[gateway.client], scopes=["orders:read", "orders:write"])
    make_resource(INVOICES, readers=[gateway.client], scopes=["invoices:read"])


@pytest.fixture
def app():
    return make_client()


@pytest.fixture
def agent():
    return rfc8693.make_acting_client()


@pytest.fixture
def person():
    return make_user()


@pytest.fixture
def subject(app, person):
    """The token of a person at `app`, worth more than most policies here let through."""
    token, _ = make_access_token(
        app.client,
        user=person,
        grant=make_grant(app.client, person),
        scopes=["orders:read", "orders:write", "invoices:read"],
        resources=[ORDERS, INVOICES],
    )
    return token


def refusal(response, error):
    assert response.status_code == 400, response.content
    assert response["Cache-Control"] == "no-store"
    assert response.json()["error"] == error, response.json()
    return response.json()["error_description"]


def record_of(token):
    return AccessToken.objects.get(digest=bearer.digest(token))


def read_phantom(client, gateway, token):
    """Return the claims that the orders API reads in place of `token`."""
    response = client.post(
        "/oauth/introspect",
        f"token={token}&resource={ORDERS}",
        content_type=flow.FORM,
        headers=gateway.headers | {"Accept": "application/jwt"},
    )
    assert response.status_code == 200, response.content
    return jwt.decode(response.content, options={"verify_signature": False})


@pytest.fixture
def policy(agent, app):
    return rfc8693.make_policy(agent, app)


# --- what is issued ---------------------------------------------------------------------------


@pytest.mark.compliance("RFC 8693", "2.2.1", "the answer names the type of what was issued")
def test_exchanged_token_is_cut_by_the_policy(client, app, agent, subject, person):
    rfc8693.make_policy(agent, app)

    response = exchange(client, agent, subject)

    assert response.status_code == 200, response.content
    document = response.json()
    assert document["issued_token_type"] == ACCESS_TOKEN
    assert document["token_type"] == "Bearer"
    assert document["scope"] == "orders:read"
    assert "refresh_token" not in document
    assert response["Cache-Control"] == "no-store"
    record = record_of(document["access_token"])
    assert (record.user, record.client, record.resources) == (person, agent.client, [ORDERS])
    assert record.grant == record_of(subject).grant
    assert not RefreshToken.objects.exists()


@pytest.mark.compliance("RFC 8693", "1.1", "impersonation: the token is about the subject alone")
def test_impersonation_names_no_actor(client, gateway, app, agent, subject):
    rfc8693.make_policy(agent, app, may_delegate=False)

    claims = read_phantom(client, gateway, exchange(client, agent, subject).json()["access_token"])

    assert claims["sub"] == str(record_of(subject).user.subject)
    assert claims["client_id"] == agent.client.client_id
    assert "act" not in claims


@pytest.mark.compliance("RFC 8693", "4.1", "delegation: act names the actor")
def test_delegation_names_the_actor(client, gateway, app, agent, subject):
    rfc8693.make_policy(agent, app)
    own, _ = make_access_token(agent.client)

    answer = exchange(client, agent, subject, actor_token=own).json()

    claims = read_phantom(client, gateway, answer["access_token"])
    assert claims["sub"] == str(record_of(subject).user.subject)
    assert claims["act"] == {"sub": agent.client.client_id}


def test_delegation_is_what_remains_where_impersonation_is_not_allowed(client, app, agent, subject):
    rfc8693.make_policy(agent, app, may_impersonate=False)

    answer = exchange(client, agent, subject).json()

    assert record_of(answer["access_token"]).actor == {"sub": agent.client.client_id}


def test_actor_may_be_a_person(client, app, agent, subject):
    rfc8693.make_policy(agent, app)
    helper = make_user()
    grant = make_grant(agent.client, helper)
    token, _ = make_access_token(agent.client, user=helper, grant=grant)

    answer = exchange(client, agent, subject, actor_token=token).json()

    assert record_of(answer["access_token"]).actor == {"sub": str(helper.subject)}


@pytest.mark.compliance("RFC 8693", "4.1", "act is nested: prior actors stand inside")
def test_chain_of_delegation_is_nested(client, gateway, app, agent, subject):
    second = rfc8693.make_acting_client()
    rfc8693.make_policy(agent, app, may_impersonate=False)
    rfc8693.make_policy(second, agent, may_impersonate=False)
    first = exchange(client, agent, subject).json()["access_token"]

    claims = read_phantom(client, gateway, exchange(client, second, first).json()["access_token"])

    assert claims["act"] == {
        "sub": second.client.client_id,
        "act": {"sub": agent.client.client_id},
    }


def test_impersonation_does_not_wash_earlier_actors_away(client, app, agent, subject):
    second = rfc8693.make_acting_client()
    rfc8693.make_policy(agent, app, may_impersonate=False)
    rfc8693.make_policy(second, agent, may_delegate=False)
    first = exchange(client, agent, subject).json()["access_token"]

    answer = exchange(client, second, first).json()

    assert record_of(answer["access_token"]).actor == {"sub": agent.client.client_id}


def test_chain_has_an_end(client, app, agent, subject):
    rfc8693.make_policy(agent, app, agent, may_impersonate=False)
    token = subject
    for _ in range(4):
        token = exchange(client, agent, token).json()["access_token"]

    assert "too many" in refusal(exchange(client, agent, token), "invalid_request")


@pytest.mark.compliance("RFC 8693", "2.1", "a client's own token may be the subject")
def test_token_of_a_client_keeps_its_subject(client, gateway, app, agent):
    rfc8693.make_policy(agent, app)
    token, _ = make_access_token(app.client)

    claims = read_phantom(client, gateway, exchange(client, agent, token).json()["access_token"])

    assert claims["sub"] == app.client.client_id
    assert claims["client_id"] == agent.client.client_id


@pytest.mark.compliance("RFC 8693", "2.2.1", "lifetime is cut to that of the subject token")
def test_exchanged_token_never_outlives_the_subject_token(client, app, agent, subject):
    rfc8693.make_policy(agent, app)
    AccessToken.objects.update(expires_at=timezone.now() + timedelta(seconds=100))

    answer = exchange(client, agent, subject).json()

    assert 90 < answer["expires_in"] < 100
    assert record_of(answer["access_token"]).expires_at <= record_of(subject).expires_at


def test_token_that_is_about_to_expire_is_refused(client, app, agent, subject):
    rfc8693.make_policy(agent, app)
    AccessToken.objects.update(expires_at=timezone.now() + timedelta(seconds=1.9))

    refusal(exchange(client, agent, subject), "invalid_request")


# --- what cannot be asked for -----------------------------------------------------------------


@pytest.mark.compliance("RFC 8693", "2.1", "resource and audience name registered targets")
@pytest.mark.parametrize("parameter", ["resource", "audience"])
def test_target_is_chosen_among_the_allowed(client, app, agent, subject, parameter):
    rfc8693.make_policy(
        agent, app, resources=[ORDERS, INVOICES], scopes=["orders:read", "invoices:read"]
    )

    one = exchange(client, agent, subject, **{parameter: INVOICES}).json()
    both = exchange(client, agent, subject, **{parameter: [INVOICES, ORDERS]}).json()

    assert one["scope"] == "invoices:read"
    assert record_of(one["access_token"]).resources == [INVOICES]
    assert record_of(both["access_token"]).resources == [INVOICES, ORDERS]


@pytest.mark.compliance("RFC 8693", "2.2.2", "a target out of reach is invalid_target")
@pytest.mark.parametrize("parameter", ["resource", "audience"])
@pytest.mark.parametrize("target", [INVOICES, "https://elsewhere.example/", "orders"])
@pytest.mark.usefixtures("policy")
def test_target_out_of_reach_is_refused(client, agent, subject, parameter, target):
    refusal(exchange(client, agent, subject, **{parameter: target}), "invalid_target")


def test_target_beyond_the_subject_token_is_refused(client, app, agent):
    rfc8693.make_policy(agent, app, resources=[ORDERS, INVOICES])
    token, _ = make_access_token(app.client)

    refusal(exchange(client, agent, token, resource=INVOICES), "invalid_target")


@pytest.mark.compliance("RFC 8693", "2.1", "scope only shrinks")
@pytest.mark.parametrize("scope", ["orders:write", "openid", "unheard:of", "orders:read manage"])
def test_scope_out_of_reach_is_refused(client, app, agent, subject, scope):
    rfc8693.make_policy(agent, app)

    refusal(exchange(client, agent, subject, scope=scope), "invalid_scope")


def test_scope_beyond_the_subject_token_is_refused(client, app, agent):
    rfc8693.make_policy(agent, app, scopes=["orders:read", "orders:write"])
    token, _ = make_access_token(app.client)

    refusal(exchange(client, agent, token, scope="orders:write"), "invalid_scope")


def test_scope_of_another_resource_than_asked_for_is_refused(client, app, agent, subject):
    rfc8693.make_policy(
        agent, app, resources=[ORDERS, INVOICES], scopes=["orders:read", "invoices:read"]
    )

    response = exchange(client, agent, subject, resource=ORDERS, scope="invoices:read")

    refusal(response, "invalid_scope")


def test_scope_that_the_acting_client_is_not_registered_for_is_refused(client, app, subject):
    agent = rfc8693.make_acting_client(scopes=["invoices:read"])
    rfc8693.make_policy(agent, app)

    refusal(exchange(client, agent, subject, scope="orders:read"), "invalid_scope")


@pytest.mark.parametrize("scope", ["gateway", "manage", "resources:write", "offline_access"])
def test_reserved_scope_never_passes(client, app, agent, scope):
    own = f"{settings.ISSUER}/api"
    make_resource(own, scopes=[scope])
    rfc8693.make_policy(agent, app, resources=[own, ORDERS], scopes=[scope, "orders:read"])
    token, _ = make_access_token(app.client, scopes=[scope, "orders:read"], resources=[own, ORDERS])

    refusal(exchange(client, agent, token, scope=scope), "invalid_scope")
    refusal(exchange(client, agent, token, resource=own), "invalid_target")
    assert exchange(client, agent, token).json()["scope"] == "orders:read"


def test_request_must_fit_one_policy_in_whole(client, app, agent, subject):
    rfc8693.make_policy(agent, app)
    rfc8693.make_policy(agent, app, resources=[INVOICES], scopes=["invoices:read"])

    one = exchange(client, agent, subject, scope="invoices:read").json()

    assert one["scope"] == "invoices:read"
    response = exchange(client, agent, subject, scope="orders:read invoices:read")
    refusal(response, "invalid_scope")


# --- who may ask ------------------------------------------------------------------------------


@pytest.mark.compliance("RFC 8693", "2.2.2", "without a policy nothing is exchanged")
def test_client_without_a_policy_is_unauthorized(client, agent, subject):
    refusal(exchange(client, agent, subject), "unauthorized_client")


def test_policy_that_allows_no_way_of_acting_allows_nothing(client, app, agent, subject):
    rfc8693.make_policy(agent, app, may_impersonate=False, may_delegate=False)

    refusal(exchange(client, agent, subject), "unauthorized_client")


def test_actor_token_needs_a_policy_of_delegation(client, app, agent, subject):
    rfc8693.make_policy(agent, app, may_delegate=False)
    own, _ = make_access_token(agent.client)

    refusal(exchange(client, agent, subject, actor_token=own), "unauthorized_client")


def test_empty_policy_allows_nothing(client, app, agent, subject):
    rfc8693.make_policy(agent, app, resources=[], scopes=[])

    refusal(exchange(client, agent, subject), "invalid_target")


def test_subject_token_of_an_unnamed_client_is_refused(client, agent, subject):
    rfc8693.make_policy(agent, make_client())

    assert "policy" in refusal(exchange(client, agent, subject), "invalid_request")


def test_unregistered_grant_type_is_refused(client, app, subject):
    refusal(exchange(client, app, subject), "unauthorized_client")


def test_public_client_is_refused(client, subject):
    public = make_public_client(grant_types=[rfc8693.TOKEN_EXCHANGE])

    refusal(exchange(client, public, subject), "unauthorized_client")


@pytest.mark.compliance("RFC 8693", "4.4", "may_act names the only parties that may act")
def test_may_act_keeps_others_from_acting(client, app, agent, subject):
    rfc8693.make_policy(agent, app)
    grant = record_of(subject).grant
    grant.may_act = ["somebody-else"]
    grant.save()

    assert "may_act" in refusal(exchange(client, agent, subject), "invalid_request")

    grant.may_act = ["somebody-else", agent.client.client_id]
    grant.save()
    assert exchange(client, agent, subject).status_code == 200


def test_may_act_opens_nothing_without_a_policy(client, agent, subject):
    grant = record_of(subject).grant
    grant.may_act = [agent.client.client_id]
    grant.save()

    refusal(exchange(client, agent, subject), "unauthorized_client")


# --- bad tokens -------------------------------------------------------------------------------


@pytest.mark.compliance("RFC 8693", "2.2.2", "an invalid subject token is invalid_request")
@pytest.mark.parametrize(
    "spoil",
    [
        lambda: AccessToken.objects.update(revoked_at=timezone.now()),
        lambda: AccessToken.objects.update(expires_at=timezone.now()),
        lambda: User.objects.update(is_active=False),
        lambda: AccessToken.objects.all().delete(),
    ],
)
def test_dead_subject_token_is_refused(client, app, agent, subject, spoil):
    rfc8693.make_policy(agent, app)
    spoil()

    assert "subject_token" in refusal(exchange(client, agent, subject), "invalid_request")


def test_subject_token_of_a_disabled_client_is_refused(client, app, agent, subject):
    rfc8693.make_policy(agent, app)
    Client.objects.filter(pk=app.client.pk).update(disabled_at=timezone.now())

    refusal(exchange(client, agent, subject), "invalid_request")


@pytest.mark.compliance("RFC 8693", "2.1", "required and malformed parameters are named")
@pytest.mark.parametrize(
    ("changes", "parameter"),
    [
        ({"subject_token": None}, "subject_token"),
        ({"subject_token": "nonsense"}, "subject_token"),
        ({"subject_token_type": None}, "subject_token_type"),
        ({"subject_token_type": f"{TYPES}id_token"}, "subject_token_type"),
        ({"subject_token_type": f"{TYPES}refresh_token"}, "subject_token_type"),
        ({"actor_token_type": ACCESS_TOKEN}, "actor_token_type"),
        ({"actor_token": "tgat_x"}, "actor_token"),
        ({"actor_token": "tgat_x", "actor_token_type": None}, "actor_token_type"),
        ({"actor_token": "x", "actor_token_type": f"{TYPES}id_token"}, "actor_token_type"),
        ({"requested_token_type": f"{TYPES}jwt"}, "requested_token_type"),
        ({"requested_token_type": f"{TYPES}refresh_token"}, "requested_token_type"),
    ],
)
@pytest.mark.usefixtures("policy")
def test_parameter_is_named(client, agent, subject, changes, parameter):
    described = refusal(exchange(client, agent, subject, **changes), "invalid_request")

    assert described.startswith(f"{parameter}:")


def test_access_token_may_be_asked_for_by_name(client, app, agent, subject):
    rfc8693.make_policy(agent, app)

    response = exchange(client, agent, subject, requested_token_type=ACCESS_TOKEN)

    assert response.status_code == 200


@pytest.mark.parametrize("name", ["subject_token", "actor_token"])
def test_token_in_the_address_is_refused(client, agent, subject, name):
    response = client.post(
        f"/oauth/token?{name}={subject}", "", content_type=flow.FORM, headers=agent.headers
    )

    assert "never in the URL" in refusal(response, "invalid_request")


def test_actor_token_of_another_client_is_refused(client, app, agent, subject):
    rfc8693.make_policy(agent, app)
    other, _ = make_access_token(make_client().client)

    response = exchange(client, agent, subject, actor_token=other)

    assert "issued to this client" in refusal(response, "invalid_request")


def test_exchanged_token_is_no_actor_token(client, app, agent, subject):
    rfc8693.make_policy(agent, app, agent)
    exchanged = exchange(client, agent, subject).json()["access_token"]

    refusal(exchange(client, agent, subject, actor_token=exchanged), "invalid_request")


def test_bound_token_needs_its_key(client, app, agent, subject):
    rfc8693.make_policy(agent, app)
    AccessToken.objects.update(dpop_jkt="k" * 43)

    assert "DPoP" in refusal(exchange(client, agent, subject), "invalid_request")
