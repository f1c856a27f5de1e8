"""API management as a client of the token service, over HTTP in the standards' own terms.

Discovery (RFC 8414), client credentials (RFC 6749 §4.4), introspection (RFC 7662) and the
registry of protected resources. Nothing of httpx leaves this module.
"""

import functools
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from django.conf import settings

from ams.errors import TokenServiceUnavailable

CLIENT_ID: Final = "tollgate-ams"
_SECRET_VARIABLE: Final = "TOLLGATE_AMS_CLIENT_SECRET"  # noqa: S105 - the variable's name
_METADATA_SECONDS: Final = 300.0
_RENEW_BEFORE_SECONDS: Final = 30.0
_TIMEOUT: Final = httpx.Timeout(3.0, connect=1.0)


@dataclass(slots=True)
class _Kept:
    """A value with the moment (monotonic seconds) until which it serves."""

    value: Any = None
    until: float = 0.0


@dataclass(slots=True)
class IMSClient:
    """The calls that API management makes to the token service; safe to share by threads.

    Each method blocks for a few seconds at most and raises TokenServiceUnavailable.
    """

    issuer: str
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=_TIMEOUT))
    _metadata: _Kept = field(default_factory=_Kept)
    _token: _Kept = field(default_factory=_Kept)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def registry_url(self) -> str:
        return f"{self.issuer}/oauth/protected-resources"

    def introspect(self, token: str, *, resource: str) -> Mapping[str, Any]:
        """Return the answer of RFC 7662 §2.2 for `token` at `resource`; `active` is in it."""
        with _mapped("introspection"):
            answer = self.http.post(
                self._endpoint("introspection_endpoint"),
                data={"token": token, "token_type_hint": "access_token", "resource": resource},
                headers={"Accept": "application/json"},
                auth=(CLIENT_ID, _client_secret()),
            )
            answer.raise_for_status()
            return _json_object(answer)

    def put_resource(self, document: Mapping[str, Any]) -> None:
        """Register a protected resource, or change it."""
        self._change_registry("PUT", json=dict(document))

    def delete_resource(self, resource: str) -> None:
        """Take a protected resource out of the registry; an unknown one is no error."""
        self._change_registry("DELETE", params={"resource": resource})

    def _change_registry(self, method: str, **request: Any) -> None:
        with _mapped("registration of the resource"):
            answer = self._send_to_registry(method, **request)
            if answer.status_code == httpx.codes.UNAUTHORIZED:
                # The kept token may have been revoked: one new one is worth a try.
                self._token = _Kept()
                answer = self._send_to_registry(method, **request)
            if method == "DELETE" and answer.status_code == httpx.codes.NOT_FOUND:
                return
            answer.raise_for_status()

    def _send_to_registry(self, method: str, **request: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._access_token()}"}
        return self.http.request(method, self.registry_url, headers=headers, **request)

    def _endpoint(self, name: str) -> str:
        with self._lock:
            if self._metadata.until < time.monotonic():
                answer = self.http.get(f"{self.issuer}/.well-known/oauth-authorization-server")
                answer.raise_for_status()
                metadata = _json_object(answer)
                # RFC 8414 §3.3: an answer for another issuer MUST NOT be used.
                if metadata.get("issuer") != self.issuer:
                    raise TokenServiceUnavailable("The discovery document names another issuer.")
                self._metadata = _Kept(metadata, time.monotonic() + _METADATA_SECONDS)
        endpoint = self._metadata.value.get(name)
        if not isinstance(endpoint, str):
            raise TokenServiceUnavailable(f"The discovery document has no {name}.")
        return endpoint

    def _access_token(self) -> str:
        endpoint = self._endpoint("token_endpoint")
        with self._lock:
            if self._token.until < time.monotonic():
                answer = self.http.post(
                    endpoint,
                    data={
                        "grant_type": "client_credentials",
                        "scope": "resources:write",
                        "resource": self.registry_url,
                    },
                    auth=(CLIENT_ID, _client_secret()),
                )
                answer.raise_for_status()
                self._token = _kept_token(_json_object(answer))
            return str(self._token.value)


def get_ims_client() -> IMSClient:
    """Return the process's client of the token service."""
    return _client_of(settings.ISSUER)


@functools.cache
def _client_of(issuer: str) -> IMSClient:
    return IMSClient(issuer)


def _kept_token(answer: Mapping[str, Any]) -> _Kept:
    token, lifetime = answer.get("access_token"), answer.get("expires_in", 0)
    if not isinstance(token, str) or not isinstance(lifetime, int | float):
        raise TokenServiceUnavailable("The token endpoint answered without a usable token.")
    return _Kept(token, time.monotonic() + lifetime - _RENEW_BEFORE_SECONDS)


def _client_secret() -> str:
    given = os.environ.get(_SECRET_VARIABLE)
    if given:
        return given
    path = settings.SECRETS_DIR / f"{CLIENT_ID}.json"
    try:
        return str(json.loads(path.read_text())["client_secret"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TokenServiceUnavailable(
            f"There is no secret of {CLIENT_ID}: run `manage.py bootstrap` or set"
            f" {_SECRET_VARIABLE}.",
            retryable=False,
        ) from error


def _json_object(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        document = answer.json()
    except ValueError as error:
        raise TokenServiceUnavailable("The token service answered without JSON.") from error
    if not isinstance(document, dict):
        raise TokenServiceUnavailable("The token service answered without a JSON object.")
    return document


@contextmanager
def _mapped(purpose: str) -> Iterator[None]:
    """Turn what httpx raises into our own words; the request and its secrets stay out of them."""
    try:
        yield
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        raise TokenServiceUnavailable(
            f"The token service answered {status} to the {purpose}.",
            retryable=status >= httpx.codes.INTERNAL_SERVER_ERROR,
        ) from error
    except httpx.HTTPError as error:
        raise TokenServiceUnavailable(
            f"The token service did not answer the {purpose} ({type(error).__name__})."
        ) from error
