"""The one smoke test: if it fails, read nothing else."""

import jwt
import pytest

pytestmark = pytest.mark.live


def test_opaque_token_goes_out_and_a_jwt_arrives(stack):
    token = stack.token()

    answer = stack.call("GET", "/orders/v1/orders/42", token=token)

    assert answer.status_code == 200, answer.text
    with pytest.raises(jwt.DecodeError):
        jwt.get_unverified_header(token)
    assert answer.json()["received"]["claims"]["iss"] == stack.issuer
    assert token not in answer.text
