"""`/api/v1/`: upstreams, APIs, products and plans."""

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from ams.catalog.models import API, Issuer, Upstream
from ams.catalog.queries.spec_of import spec_of_api, spec_of_issuer, spec_of_upstream
from ams.catalog.services.delete_api import delete_api
from ams.catalog.services.delete_issuer import delete_issuer
from ams.catalog.services.delete_upstream import delete_upstream
from ams.catalog.services.import_openapi import import_openapi
from ams.catalog.services.retire_api import retire_api
from ams.catalog.services.save_api import save_api
from ams.catalog.services.save_issuer import save_issuer
from ams.catalog.services.save_upstream import save_upstream
from ams.catalog.specs import APISpec, IssuerSpec, UpstreamSpec
from ams.http.management import serializers
from ams.http.management.requests import OpenAPIImport
from ams.http.management.resource_views import SpecViewSet, read_request
from ams.plans.models import Plan, Product
from ams.plans.queries.spec_of import spec_of_plan, spec_of_product
from ams.plans.services.delete_plan import delete_plan
from ams.plans.services.delete_product import delete_product
from ams.plans.services.save_plan import save_plan
from ams.plans.services.save_product import save_product
from ams.plans.specs import PlanSpec, ProductSpec


class UpstreamViewSet(SpecViewSet):
    """Backends that the gateway forwards to."""

    spec_type = UpstreamSpec
    serializer_class = serializers.UpstreamSerializer
    queryset = Upstream.objects.prefetch_related("targets").order_by("slug")

    def spec_of(self, row: Upstream) -> UpstreamSpec:
        return spec_of_upstream(row)

    def save_spec(self, spec: UpstreamSpec, row: Upstream | None) -> Upstream:
        return save_upstream(spec=spec, upstream_id=row.pk if row else None)

    def delete_row(self, row: Upstream) -> None:
        delete_upstream(upstream_id=row.pk)


class IssuerViewSet(SpecViewSet):
    """Foreign issuers whose JWT access tokens APIs may take."""

    spec_type = IssuerSpec
    serializer_class = serializers.IssuerSerializer
    queryset = Issuer.objects.order_by("slug")

    def spec_of(self, row: Issuer) -> IssuerSpec:
        return spec_of_issuer(row)

    def save_spec(self, spec: IssuerSpec, row: Issuer | None) -> Issuer:
        return save_issuer(spec=spec, issuer_id=row.pk if row else None)

    def delete_row(self, row: Issuer) -> None:
        delete_issuer(issuer_id=row.pk)


class APIViewSet(SpecViewSet):
    """APIs with their operations and scopes."""

    spec_type = APISpec
    serializer_class = serializers.APISerializer
    queryset = (
        API.objects.select_related("upstream")
        .prefetch_related("scopes", "operations", "issuers")
        .order_by("slug")
    )

    def spec_of(self, row: API) -> APISpec:
        return spec_of_api(row)

    def save_spec(self, spec: APISpec, row: API | None) -> API:
        return save_api(spec=spec, api_id=row.pk if row else None)

    def delete_row(self, row: API) -> None:
        delete_api(api_id=row.pk)

    @extend_schema(request=None, responses=serializers.APISerializer)
    def retire(self, request: Request, **path: str) -> Response:
        """Take the API out of service and keep its record."""
        del request, path
        return Response(self.represent(retire_api(api_id=self.get_object().pk)))

    @extend_schema(
        request=serializers.OpenAPIImportSerializer,
        responses={201: serializers.ImportedAPISerializer},
    )
    def import_document(self, request: Request) -> Response:
        """Create or change an API from an OpenAPI document."""
        wanted = read_request(OpenAPIImport, request.data)
        imported = import_openapi(
            text=wanted.document,
            upstream=wanted.upstream,
            slug=wanted.slug,
            base_path=wanted.base_path,
        )
        answer = {"api": self.represent(imported.api), "warnings": imported.warnings}
        return Response(answer, status=status.HTTP_201_CREATED)


class ProductViewSet(SpecViewSet):
    """What developers subscribe to: one or more APIs, offered under plans."""

    spec_type = ProductSpec
    serializer_class = serializers.ProductSerializer
    queryset = Product.objects.prefetch_related("apis").order_by("slug")

    def spec_of(self, row: Product) -> ProductSpec:
        return spec_of_product(row)

    def save_spec(self, spec: ProductSpec, row: Product | None) -> Product:
        return save_product(spec=spec, product_id=row.pk if row else None)

    def delete_row(self, row: Product) -> None:
        delete_product(product_id=row.pk)


class PlanViewSet(SpecViewSet):
    """Limits and prices of a product."""

    spec_type = PlanSpec
    serializer_class = serializers.PlanSerializer
    queryset = (
        Plan.objects.select_related("product")
        .prefetch_related("components", "rate_limits", "quotas")
        .order_by("slug")
    )

    def get_queryset(self) -> QuerySet[Any]:
        """Return the plans of the product in the address."""
        return super().get_queryset().filter(product__slug=self.kwargs.get("product", ""))

    def list(self, request: Request, **path: str) -> Response:
        """Return a page of the product's plans."""
        get_object_or_404(Product, slug=self.kwargs["product"])
        return super().list(request, **path)

    def read(self, request: Request) -> PlanSpec:
        """Return the spec that the request brings, of the product in the address."""
        data = self.without_read_only(request.data)
        if isinstance(data, dict):
            data = {**data, "product": self.kwargs["product"]}
        spec: PlanSpec = read_request(PlanSpec, data)
        return spec

    def spec_of(self, row: Plan) -> PlanSpec:
        return spec_of_plan(row)

    def save_spec(self, spec: PlanSpec, row: Plan | None) -> Plan:
        return save_plan(spec=spec, plan_id=row.pk if row else None)

    def delete_row(self, row: Plan) -> None:
        delete_plan(plan_id=row.pk)
