"""Which algorithm signs what a client reads."""

from ims import conf
from ims.models import Client


def get_id_token_algorithm(client: Client) -> str:
    """Return the `id_token_signed_response_alg` of `client`; runs no statement.

    ES256 where it asked for none, though OpenID Connect Registration §2 says RS256 then: the
    answer to the registration names it, and every client that we registered so far relies on it.
    """
    wanted = client.metadata.get("id_token_signed_response_alg")
    return wanted if wanted in conf.SUPPORTED_SIGNING_ALGORITHMS else conf.SIGNING_ALGORITHM
