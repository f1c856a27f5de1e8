"""Sign-in: the portal as an OpenID Connect relying party (OIDC Core §3.1, RFC 7636, RFC 9207)."""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from django.conf import settings
from django.utils.http import url_has_allowed_host_and_scheme

from portal import ims_client
from portal.errors import SignInFailed
from portal.id_token import verify_id_token
from portal.own_client import SCOPE, callback_url, find_own_client, get_own_client
from portal.services.sign_in_developer import sign_in_developer

if TYPE_CHECKING:
    from django.contrib.sessions.backends.base import SessionBase

PENDING_SECONDS: Final = 3600
# A few tabs may sign in at once; older attempts are forgotten, so the session stays small.
MAX_PENDING: Final = 5
_PENDING_KEY: Final = "sign_ins"


def safe_next(target: str | None) -> str:
    """Return `target` where it is a path of this site, else the start page."""
    if (
        target
        and target.startswith("/")
        and url_has_allowed_host_and_scheme(target, allowed_hosts=None)
    ):
        return target
    return "/"


def begin_login(session: "SessionBase", *, next_path: str) -> str:
    """Return the authorization request's URL; state, nonce and verifier stay in the session."""
    service = ims_client.get_token_service()
    client = get_own_client()
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    pending = dict(session.get(_PENDING_KEY, {}))
    pending[state] = {
        "nonce": nonce,
        "verifier": verifier,
        "next": safe_next(next_path),
        "at": int(time.time()),
    }
    newest = sorted(pending.items(), key=lambda item: item[1]["at"])[-MAX_PENDING:]
    session[_PENDING_KEY] = dict(newest)
    query = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": callback_url(),
        "scope": SCOPE,
        "state": state,
        "nonce": nonce,
        "code_challenge": _challenge(verifier),
        "code_challenge_method": "S256",
    }
    return f"{service.get_endpoint('authorization_endpoint')}?{urlencode(query)}"


def finish_login(session: "SessionBase", answer: Mapping[str, str]) -> str:
    """Sign the developer in and return where to go. Raises SignInFailed.

    The session gets a new key, so one that an attacker planted is worthless.
    """
    attempt = _take_attempt(session, answer.get("state", ""))
    service = ims_client.get_token_service()
    _require_issuer(service, answer.get("iss"))
    if "error" in answer:
        raise SignInFailed(_describe_refusal(answer["error"]))
    client = get_own_client()
    tokens = service.redeem_code(
        answer.get("code", ""),
        client=client.credentials,
        redirect_uri=callback_url(),
        verifier=attempt["verifier"],
    )
    claims = verify_id_token(
        tokens.id_token,
        service=service,
        client_id=client.client_id,
        nonce=attempt["nonce"],
        access_token=tokens.access_token,
    )
    claims = _with_userinfo(claims, service, tokens.access_token)
    developer = sign_in_developer(claims=claims)
    session.cycle_key()
    session["developer_id"] = str(developer.id)
    session["developer"] = {"name": developer.name, "email": developer.email}
    session["id_token"] = tokens.id_token
    return safe_next(attempt["next"])


def end_login(session: "SessionBase") -> str:
    """Sign out here and return the address that signs out there (RP-Initiated Logout §2)."""
    id_token = session.get("id_token", "")
    session.flush()
    client = find_own_client()
    if client is None:
        return "/"
    query = {"client_id": client.client_id, "post_logout_redirect_uri": f"{settings.ISSUER}/"}
    if id_token:
        query["id_token_hint"] = id_token
    endpoint = ims_client.get_token_service().get_metadata().get("end_session_endpoint")
    return f"{endpoint}?{urlencode(query)}" if endpoint else "/"


def _take_attempt(session: "SessionBase", state: str) -> dict[str, Any]:
    """Return the attempt that `state` belongs to, once."""
    pending = dict(session.get(_PENDING_KEY, {}))
    attempt: dict[str, Any] | None = pending.pop(state, None)
    session[_PENDING_KEY] = pending
    if attempt is None:
        raise SignInFailed("This sign-in was not started here, or was already used. Sign in again.")
    if time.time() - attempt["at"] > PENDING_SECONDS:
        raise SignInFailed("This sign-in took too long. Sign in again.")
    return attempt


def _require_issuer(service: ims_client.TokenService, issuer: str | None) -> None:
    """RFC 9207 §2.4: an answer of another issuer (mix-up) is refused."""
    promised = service.get_metadata().get("authorization_response_iss_parameter_supported")
    if issuer is None and not promised:
        return
    if issuer is None or not hmac.compare_digest(issuer.encode(), service.issuer.encode()):
        raise SignInFailed("The answer came from another sign-in service. Sign in again.")


def _with_userinfo(
    claims: dict[str, Any], service: ims_client.TokenService, access_token: str
) -> dict[str, Any]:
    """Return the claims with e-mail and name, asking userinfo where the ID token is silent."""
    if claims.get("email"):
        return claims
    info = service.get_userinfo(access_token)
    if info.get("sub") != claims["sub"]:  # OIDC Core §5.3.2: MUST be the same
        raise SignInFailed("The sign-in service's answers disagree. Sign in again.")
    return {**info, **claims}


def _describe_refusal(code: str) -> str:
    if code == "access_denied":
        return "You did not allow the portal to sign you in. Sign in again to go on."
    return "The sign-in service could not sign you in. Sign in again."


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
