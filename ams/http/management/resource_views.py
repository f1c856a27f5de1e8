"""Views of the catalog's resources: read the request, call one service, write the answer."""

import dataclasses
import logging
from typing import TYPE_CHECKING, Any, ClassVar, cast

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from ams.field_checks import FieldChecks
from ams.http.bearer import BearerInfo
from ams.spec_fields import read_spec

if TYPE_CHECKING:
    from rest_framework.serializers import Serializer

_audit = logging.getLogger("ams.audit")


def read_request(spec_type: type[Any], data: object) -> Any:
    """Return the spec in a request's body. Raises InvalidFields; unknown members are refused."""
    checks = FieldChecks()
    spec = read_spec(spec_type, data, (), checks)
    checks.finish()
    return spec


class ManagementViewSet(GenericViewSet[Any]):
    """What all views of the management API share."""

    _holder: BearerInfo | None = None

    def perform_authentication(self, request: Request) -> None:
        """Note who holds the token; raises as the authentication does.

        Asked again after a refusal, `request.auth` would authenticate, and be refused, once more.
        """
        super().perform_authentication(request)
        self._holder = request.auth if isinstance(request.auth, BearerInfo) else None

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Keep answers out of caches, and note who changed what."""
        answer = super().finalize_response(request, response, *args, **kwargs)
        answer.headers.setdefault("Cache-Control", "no-store")
        if request.method not in {"GET", "HEAD", "OPTIONS"}:
            _audit.info(
                "%s %s -> %s by client %r, subject %r",
                request.method,
                request.path,
                answer.status_code,
                getattr(self._holder, "client_id", ""),
                getattr(self._holder, "subject", ""),
            )
        return answer


class SpecViewSet(ManagementViewSet):
    """List, get, create, replace and delete things that are described by a spec and a slug."""

    lookup_field = "slug"
    spec_type: ClassVar[type[Any]]

    def spec_of(self, row: Any) -> Any:
        """Return what `row` is."""
        raise NotImplementedError

    def save_spec(self, spec: Any, row: Any) -> Any:
        """Return the saved row; `row` is None for a new one."""
        raise NotImplementedError

    def delete_row(self, row: Any) -> None:
        """Take `row` away."""
        raise NotImplementedError

    def read(self, request: Request) -> Any:
        """Return the spec that the request brings."""
        return read_request(self.spec_type, self.without_read_only(request.data))

    def without_read_only(self, data: object) -> object:
        """Return `data` without read-only members: what GET answered can be PUT back."""
        if not isinstance(data, dict):
            return data
        fields = cast("Serializer[Any]", self.get_serializer()).fields
        read_only = {name for name, field in fields.items() if field.read_only}
        return {name: value for name, value in data.items() if name not in read_only}

    def represent(self, row: Any) -> Any:
        """Return the answer for `row`."""
        values = {"id": row.pk, **dataclasses.asdict(self.spec_of(row))}
        return self.get_serializer(values).data

    def list(self, request: Request, **path: str) -> Response:
        """Return a page of them, in the order of their slugs."""
        del request, path
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response([self.represent(row) for row in page or []])

    def retrieve(self, request: Request, **path: str) -> Response:
        """Return one."""
        del request, path
        return Response(self.represent(self.get_object()))

    def create(self, request: Request, **path: str) -> Response:
        """Make a new one; the slug must be free."""
        del path
        row = self.save_spec(self.read(request), None)
        return Response(self.represent(row), status=status.HTTP_201_CREATED)

    def update(self, request: Request, **path: str) -> Response:
        """Replace it by what the request says; members left out get their defaults."""
        del path
        row = self.save_spec(self.read(request), self.get_object())
        return Response(self.represent(row))

    def destroy(self, request: Request, **path: str) -> Response:
        """Take it away."""
        del request, path
        self.delete_row(self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)
