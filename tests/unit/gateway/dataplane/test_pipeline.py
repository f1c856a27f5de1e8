"""The whole pipeline: ASGI in, a real socket to the upstream out."""


async def test_the_upstream_gets_the_jwt_and_never_the_opaque_token(gateway, upstream):
    token = gateway.authority.issue()

    answer = await gateway.call(token=token)

    assert answer.status == 200
    assert answer.body == b"{}"
    assert upstream.last.request_line == "GET /orders/42 HTTP/1.1"
    assert upstream.last.values("authorization") == [
        "Bearer " + gateway.authority.live[token].decode()
    ]
    assert token not in upstream.last.head
