"""Issue an ID token (OpenID Connect Core §2, §3.1.3.6)."""

from collections.abc import Mapping

from django.utils import timezone

from ims import conf
from ims.models import Client, Grant
from ims.queries.signing_algorithms import get_id_token_algorithm
from ims.services.sign_jwt import sign_jwt
from ims.signing_algorithms import ALGORITHMS


def issue_id_token(
    *,
    client: Client,
    grant: Grant,
    access_token: str,
    nonce: str = "",
    claims: Mapping[str, object] | None = None,
) -> str:
    """Return the ID token that tells `client` about the authentication behind `grant`.

    `at_hash` binds it to the access token issued beside it. `claims` are about the person; they
    never replace one of the token's own. A claim without a value is left out. Signed with the
    client's `id_token_signed_response_alg`, ES256 where it asked for none.
    """
    signing = ALGORITHMS[get_id_token_algorithm(client)]
    now = int(timezone.now().timestamp())
    told: dict[str, object] = {
        "iss": conf.issuer(),
        "sub": str(grant.user.subject),
        "aud": client.client_id,
        "azp": client.client_id,
        "iat": now,
        "exp": now + conf.ID_TOKEN_TTL_SECONDS,
        "auth_time": int(grant.authenticated_at.timestamp()),
        "at_hash": signing.hash_half(access_token),
    }
    optional = {"nonce": nonce, "acr": grant.acr, "amr": grant.amr}
    told |= {name: value for name, value in optional.items() if value}
    return sign_jwt(claims={**(claims or {}), **told}, typ="JWT", algorithm=signing.name)
