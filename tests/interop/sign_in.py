"""A person's tokens for tests that are about something else; by Authlib."""

from authlib.integrations.requests_client import OAuth2Session


def sign_in(metadata, person, client, *, scope, resource):
    """Return the token answer of a code grant that the person allowed."""
    session = OAuth2Session(
        client["client_id"],
        client.get("client_secret"),
        token_endpoint_auth_method=client["token_endpoint_auth_method"],
        redirect_uri=client["redirect_uris"][0],
        scope=scope,
        code_challenge_method="S256",
    )
    verifier = "a" * 43
    with session:
        url, state = session.create_authorization_url(
            metadata["authorization_endpoint"], code_verifier=verifier, resource=resource
        )
        return session.fetch_token(
            metadata["token_endpoint"],
            authorization_response=person.follow(url),
            state=state,
            code_verifier=verifier,
        )
