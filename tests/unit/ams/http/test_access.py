"""Foreign issuers, CORS, required authentication: the same by service, admin, YAML and REST."""

import dataclasses
import json
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model

from ams.catalog.models import API, ConfigurationVersion, Issuer
from ams.catalog.queries.spec_of import spec_of_api, spec_of_issuer
from ams.catalog.services.delete_issuer import delete_issuer
from ams.catalog.services.save_api import save_api
from ams.catalog.services.save_issuer import save_issuer
from ams.catalog.services.save_upstream import save_upstream
from ams.catalog.specs import CORSSpec, IssuerClientSpec, IssuerSpec, OperationSpec
from ams.documents.apply_document import apply_document
from ams.documents.export_document import export_document
from ams.errors import InUse, InvalidFields
from ams.http.snapshot_state import build_snapshot
from tests.factories.catalog import api_spec, make_api, upstream_spec
from wire.gateway_snapshot import parse_snapshot
from wire.snapshot_document import MalformedSnapshot

pytestmark = pytest.mark.django_db

CORS = CORSSpec(
    origins=("https://app.example", "http://localhost:5173"),
    methods=("GET", "POST"),
    headers=("x-trace",),
    exposed_headers=("etag",),
    credentials=True,
    max_age_seconds=60,
)


def issuer_spec(**changes):
    spec = {
        "slug": "partner",
        "issuer": "https://login.partner.example",
        "clients": (IssuerClientSpec(client_id="abc", subscribed_as="client-1"),),
    }
    return IssuerSpec(**(spec | changes))


def guarded_api(**changes):
    save_upstream(spec=upstream_spec())
    save_issuer(spec=issuer_spec())
    operation = OperationSpec(
        operation_id="pay",
        method="POST",
        path="/payments",
        acr_values=("urn:mfa",),
        max_auth_age_seconds=300,
    )
    given = {
        "cors": CORS,
        "acr_values": ("urn:pwd", "urn:mfa"),
        "max_auth_age_seconds": 3600,
        "requires_bound_tokens": True,
        "requires_dpop_nonce": True,
        "issuers": ("partner",),
        "operations": (operation,),
    }
    return save_api(spec=api_spec(**given | changes))


def problems_of(save, **arguments):
    with pytest.raises(InvalidFields) as caught:
        save(**arguments)
    return {problem.name for problem in caught.value.problems}


def test_what_is_saved_is_what_is_read_and_what_gateways_get():
    api = guarded_api()

    spec = spec_of_api(api)
    assert (spec.cors, spec.issuers) == (CORS, ("partner",))
    assert spec.operations[0].max_auth_age_seconds == 300
    assert spec_of_issuer(Issuer.objects.get()) == issuer_spec()
    snapshot = parse_snapshot(json.loads(build_snapshot().document(None)))
    (sent,) = snapshot.apis
    assert sent.cors is not None
    assert dataclasses.asdict(sent.cors) == dataclasses.asdict(CORS)
    assert (sent.acr_values, sent.max_auth_age_seconds) == (("urn:pwd", "urn:mfa"), 3600)
    assert sent.requires_bound_tokens
    assert sent.requires_dpop_nonce
    assert sent.operations[0].acr_values == ("urn:mfa",)
    assert sent.issuer_ids == tuple(issuer.id for issuer in snapshot.issuers)
    assert snapshot.issuers[0].clients[0].subscribed_as == "client-1"
    hash(snapshot.issuers[0])


def test_an_issuer_that_no_published_api_accepts_stays_here():
    guarded_api(state="draft")

    assert parse_snapshot(json.loads(build_snapshot().document(None))).issuers == ()


def test_a_snapshot_that_names_an_unknown_issuer_is_not_taken():
    guarded_api()
    document = json.loads(build_snapshot().document(None)) | {"issuers": []}

    with pytest.raises(MalformedSnapshot, match="issuer_ids"):
        parse_snapshot(document)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"origins": ()}, "cors.origins"),
        ({"origins": ("https://app.example/",)}, "cors.origins"),
        ({"origins": ("null",)}, "cors.origins"),
        ({"origins": ("*", "https://app.example"), "credentials": False}, "cors.origins"),
        ({"origins": ("*",)}, "cors.credentials"),
        ({"methods": ("get",)}, "cors.methods"),
        ({"headers": ("X-Trace",)}, "cors.headers"),
        ({"exposed_headers": ("a b",)}, "cors.exposed_headers"),
        ({"max_age_seconds": -1}, "cors.max_age_seconds"),
    ],
)
def test_unusable_cors_is_refused_by_field(changes, name):
    save_upstream(spec=upstream_spec())
    spec = api_spec(cors=dataclasses.replace(CORS, **changes))

    assert problems_of(save_api, spec=spec) == {name}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"acr_values": ('a"b',)}, "acr_values[0]"),
        ({"acr_values": ("",)}, "acr_values[0]"),
        ({"max_auth_age_seconds": 0}, "max_auth_age_seconds"),
        ({"issuers": ("nobody",)}, "issuers[0]"),
    ],
)
def test_unusable_demands_are_refused_by_field(changes, name):
    save_upstream(spec=upstream_spec())

    assert problems_of(save_api, spec=api_spec(**changes)) == {name}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"slug": "https"}, "slug"),
        ({"issuer": "http://login.partner.example"}, "issuer"),
        ({"issuer": "https://login.partner.example/?tenant=1"}, "issuer"),
        ({"issuer": "https://user@login.partner.example"}, "issuer"),
        ({"issuer": ""}, "issuer"),
        ({"jwks_uri": "http://keys.partner.example"}, "jwks_uri"),
        ({"algorithms": ()}, "algorithms"),
        ({"algorithms": ("HS256",)}, "algorithms[0]"),
        ({"algorithms": ("none",)}, "algorithms[0]"),
        ({"client_id_claim": ""}, "client_id_claim"),
        ({"clients": (IssuerClientSpec(client_id="", subscribed_as="x"),)}, "clients[0].client_id"),
        ({"ca_pem": "x"}, "ca_pem"),
        ({"ca_pem": "\u00ee"}, "ca_pem"),
    ],
)
def test_an_unusable_issuer_is_refused_by_field(changes, name):
    assert name in problems_of(save_issuer, spec=issuer_spec(**changes))


def test_our_own_issuer_cannot_be_a_foreign_one(settings):
    settings.ISSUER = "https://login.partner.example"

    assert problems_of(save_issuer, spec=issuer_spec()) == {"issuer"}


def test_two_issuers_cannot_be_one():
    save_issuer(spec=issuer_spec())

    assert problems_of(save_issuer, spec=issuer_spec(slug="other")) == {"issuer"}


def test_an_accepted_issuer_is_not_deleted():
    guarded_api()

    with pytest.raises(InUse, match="orders"):
        delete_issuer(issuer_id=Issuer.objects.get().pk)


def test_an_issuer_comes_and_goes_with_versions_over_rest(manager):
    before = build_snapshot().version
    body = {"slug": "partner", "issuer": "https://login.partner.example"}

    created = manager.post("/api/v1/issuers", body, format="json")
    assert (created.status_code, created.json()["algorithms"]) == (201, ["ES256", "RS256"])
    again = manager.put("/api/v1/issuers/partner", created.json(), format="json")
    assert again.json() == created.json()
    assert manager.delete("/api/v1/issuers/partner").status_code == 204
    assert ConfigurationVersion.objects.get().version == before + 3


def test_what_rest_answers_of_a_guarded_api_can_be_sent_back(manager):
    guarded_api()
    body = manager.get("/api/v1/apis/orders").json()

    assert body["cors"]["origins"] == list(CORS.origins)
    assert manager.put("/api/v1/apis/orders", body, format="json").json() == body


def test_a_document_is_exported_and_applied_without_a_difference():
    guarded_api()
    exported = export_document()
    API.objects.all().delete()
    Issuer.objects.all().delete()

    changes = apply_document(text=exported, source="t.yaml", folder=Path(), environment={})

    assert {change.section for change in changes} == {"issuers", "apis"}
    assert export_document() == exported


def test_admin_saves_an_issuer_and_the_demands_of_an_api(client):
    client.force_login(
        get_user_model().objects.create_superuser(username="r", email="r@example.com", password="x")
    )
    api = make_api()
    fields = {
        "slug": "partner",
        "issuer": "https://login.partner.example",
        "algorithms": "ES256",
        "scope_claim": "scp",
        "client_id_claim": "azp",
        "clients": "abc client-1\n\nd e",
    }
    assert client.post("/admin/catalog/issuer/add/", fields).status_code == 302
    issuer = Issuer.objects.get()
    assert [row["subscribed_as"] for row in issuer.clients] == ["client-1", "e"]
    assert (
        "abc client-1" in client.get(f"/admin/catalog/issuer/{issuer.pk}/change/").content.decode()
    )
    data = {
        "name": "Orders",
        "slug": "orders",
        "state": "published",
        "base_path": "/orders/v1",
        "upstream": api.upstream_id,
        "max_body_bytes": "1000",
        "websocket_idle_seconds": "60",
        "cors_origins": "https://app.example",
        "cors_max_age_seconds": "60",
        "acr_values": "urn:mfa",
        "max_auth_age_seconds": "300",
        "requires_bound_tokens": "on",
        "issuers": [issuer.pk],
        **dict.fromkeys(["scopes-TOTAL_FORMS", "scopes-INITIAL_FORMS"], "0"),
        **dict.fromkeys(["operations-TOTAL_FORMS", "operations-INITIAL_FORMS"], "0"),
    }

    refused = client.post(f"/admin/catalog/api/{api.pk}/change/", data | {"cors_origins": "x"})
    saved = client.post(f"/admin/catalog/api/{api.pk}/change/", data)

    assert "no origin such as" in refused.content.decode()
    assert saved.status_code == 302
    spec = spec_of_api(API.objects.get())
    assert spec.cors == CORSSpec(origins=("https://app.example",), max_age_seconds=60)
    assert (spec.issuers, spec.acr_values) == (("partner",), ("urn:mfa",))
    assert spec.requires_bound_tokens
