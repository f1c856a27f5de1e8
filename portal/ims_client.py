"""The token service as the portal sees it: discovery, code flow, RFC 7591 and RFC 7592.

The only module that sends HTTP. Every call has a time limit of 5 s; the
discovery document and the keys are cached, so that a page makes one call at most.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx
from django.conf import settings
from django.core.cache import cache

from portal.errors import (
    RegistrationGone,
    RegistrationRefused,
    SignInFailed,
    TokenServiceUnavailable,
)

TIMEOUT_SECONDS: Final = 5.0
CACHE_SECONDS: Final = 600
# An unknown key id makes us look at most this often, so that forged tokens cause no flood.
KEYS_REFRESH_SECONDS: Final = 10
UNAVAILABLE: Final = "The sign-in and registration service does not answer. Try again in a moment."


@dataclass(frozen=True, slots=True)
class Registration:
    """The answer of the registration endpoint (RFC 7591 §3.2.1, RFC 7592 §3)."""

    client_id: str
    client_secret: str
    registration_client_uri: str
    registration_access_token: str
    metadata: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CodeAnswer:
    """The token response to a code (OIDC Core §3.1.3.3)."""

    access_token: str
    id_token: str


class TokenService:
    """One token service, known by its issuer. Instances are shared between threads."""

    def __init__(self, issuer: str, http: httpx.Client) -> None:
        self.issuer = issuer
        self._http = http

    # --- discovery ---

    def get_metadata(self) -> dict[str, Any]:
        """Return the discovery document. Raises TokenServiceUnavailable.

        OIDC Discovery §4.3: its issuer MUST be the one that was asked for.
        """
        document = self._get_cached("metadata", f"{self.issuer}/.well-known/openid-configuration")
        if document.get("issuer") != self.issuer:
            raise TokenServiceUnavailable(
                "The sign-in service names another issuer than the portal expects."
            )
        return document

    def get_endpoint(self, name: str) -> str:
        """Return the address that discovery gives for `name`."""
        url = self.get_metadata().get(name)
        if not isinstance(url, str) or not url:
            raise TokenServiceUnavailable(f"The sign-in service offers no {name}.")
        return url

    def get_keys(self, *, refresh: bool = False) -> dict[str, Any]:
        """Return the JWKS; `refresh` asks again, but not more often than every 10 s."""
        if refresh and cache.add(self._key("keys-refreshed"), 1, KEYS_REFRESH_SECONDS):
            cache.delete(self._key("keys"))
        return self._get_cached("keys", self.get_endpoint("jwks_uri"))

    # --- code flow ---

    def redeem_code(
        self, code: str, *, client: tuple[str, str], redirect_uri: str, verifier: str
    ) -> CodeAnswer:
        """Return the tokens for an authorization code (RFC 6749 §4.1.3, RFC 7636 §4.5)."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        response = self._send(
            "POST", self.get_endpoint("token_endpoint"), data=form, auth=_basic(*client)
        )
        document = _document(response)
        if response.status_code != httpx.codes.OK:
            raise SignInFailed("The sign-in service did not accept the answer. Sign in again.")
        try:
            return CodeAnswer(str(document["access_token"]), str(document["id_token"]))
        except KeyError as error:
            raise SignInFailed("The sign-in service sent no ID token. Sign in again.") from error

    def get_userinfo(self, access_token: str) -> dict[str, Any]:
        """Return the claims about the person (OIDC Core §5.3)."""
        response = self._send(
            "GET", self.get_endpoint("userinfo_endpoint"), headers=_bearer(access_token)
        )
        if response.status_code != httpx.codes.OK:
            raise SignInFailed("The sign-in service did not say who you are. Sign in again.")
        return _document(response)

    # --- registration ---

    def register_client(
        self, metadata: Mapping[str, Any], *, initial_access_token: str
    ) -> Registration:
        """Register a client (RFC 7591 §3). Raises RegistrationRefused."""
        response = self._send(
            "POST",
            self.get_endpoint("registration_endpoint"),
            json=dict(metadata),
            headers=_bearer(initial_access_token),
        )
        return self._read_registration(response, uri="", token="")

    def read_client(self, *, uri: str, token: str) -> Registration:
        """Return the client's record (RFC 7592 §2.1). Raises RegistrationGone."""
        return self._read_registration(self._manage("GET", uri, token), uri=uri, token=token)

    def update_client(self, metadata: Mapping[str, Any], *, uri: str, token: str) -> Registration:
        """Replace the client's record (RFC 7592 §2.2)."""
        response = self._manage("PUT", uri, token, json=dict(metadata))
        return self._read_registration(response, uri=uri, token=token)

    def delete_client(self, *, uri: str, token: str) -> None:
        """Remove the client (RFC 7592 §2.3). Raises RegistrationGone when it is already away."""
        response = self._manage("DELETE", uri, token)
        if response.status_code != httpx.codes.NO_CONTENT:
            raise TokenServiceUnavailable(UNAVAILABLE)

    def rotate_secret(self, *, uri: str, token: str) -> str:
        """Return a new client secret; the old one stops working. Our extension of RFC 7592."""
        response = self._manage("POST", f"{uri}/secret", token)
        secret = _document(response).get("client_secret")
        if response.status_code != httpx.codes.OK or not isinstance(secret, str) or not secret:
            raise TokenServiceUnavailable(UNAVAILABLE)
        return secret

    # --- plumbing ---

    def _manage(self, method: str, uri: str, token: str, **kwargs: Any) -> httpx.Response:
        # The credential goes to the token service only, whatever a stored address says.
        if _origin(uri) != _origin(self.get_endpoint("registration_endpoint")):
            raise RegistrationGone("This application was registered at another token service.")
        response = self._send(method, uri, headers=_bearer(token), **kwargs)
        # RFC 7592 §2: 401 for a client that does not exist, 403 for one that may not be managed.
        if response.status_code in {401, 403, 404}:
            raise RegistrationGone("The token service no longer knows this application.")
        return response

    def _read_registration(self, response: httpx.Response, *, uri: str, token: str) -> Registration:
        document = _document(response)
        if response.status_code not in {200, 201}:
            raise _refusal(response.status_code, document)
        client_id = document.get("client_id")
        registration = Registration(
            client_id=client_id if isinstance(client_id, str) else "",
            client_secret=str(document.get("client_secret") or ""),
            # RFC 7592 §3 lets the server change both on every answer.
            registration_client_uri=str(document.get("registration_client_uri") or uri),
            registration_access_token=str(document.get("registration_access_token") or token),
            metadata=document,
        )
        if not (registration.client_id and registration.registration_client_uri):
            raise TokenServiceUnavailable(UNAVAILABLE)
        return registration

    def _get_cached(self, name: str, url: str) -> dict[str, Any]:
        known: dict[str, Any] | None = cache.get(self._key(name))
        if known is not None:
            return known
        response = self._send("GET", url)
        document = _document(response)
        if response.status_code != httpx.codes.OK or not document:
            raise TokenServiceUnavailable(UNAVAILABLE)
        cache.set(self._key(name), document, CACHE_SECONDS)
        return document

    def _key(self, name: str) -> str:
        return f"portal:{name}:{self.issuer}"

    def _send(self, method: str, url: str, **kwargs: Any) -> httpx.Response:
        try:
            return self._http.request(method, url, **kwargs)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise TokenServiceUnavailable(UNAVAILABLE) from error


@functools.cache
def get_token_service() -> TokenService:
    """Return the token service of this installation."""
    http = httpx.Client(
        timeout=TIMEOUT_SECONDS,
        follow_redirects=False,
        trust_env=False,  # a proxy of the environment must not see secrets
        headers={"Accept": "application/json", "User-Agent": "tollgate-portal"},
    )
    return TokenService(settings.ISSUER, http)


def _basic(client_id: str, secret: str) -> tuple[str, str]:
    # RFC 6749 §2.3.1: both are form-encoded before they are joined.
    return quote(client_id, safe=""), quote(secret, safe="")


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _document(response: httpx.Response) -> dict[str, Any]:
    if response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise TokenServiceUnavailable(UNAVAILABLE)
    if not response.content:
        return {}
    try:
        document = response.json()
    except ValueError as error:
        raise TokenServiceUnavailable(UNAVAILABLE) from error
    return document if isinstance(document, dict) else {}


def _refusal(status: int, document: Mapping[str, Any]) -> Exception:
    code = str(document.get("error") or "")
    if status in {401, 403}:
        return TokenServiceUnavailable(
            "The portal may not register applications at the moment. "
            "An administrator has to renew its initial access token."
        )
    description = str(document.get("error_description") or code or "The registration was refused.")
    return RegistrationRefused(description, code=code)
