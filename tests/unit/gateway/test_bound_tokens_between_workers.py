"""What two worker processes have to know of each other's tokens."""

import contextlib
import hashlib
import http.client
import ssl
import threading
import time

import pytest

from tests.factories.keys import make_key, make_proof
from tests.unit.gateway.fake_authority import AuthorityServer
from tests.unit.gateway.gateway_process import Echo, Gateway, make_certificate, make_snapshot
from wire.bearer import Prefix, digest, mint

PATH = "/orders/v1/orders/42"
CONNECTIONS = 8  # enough for each worker to have some


@pytest.fixture(scope="module")
def authority():
    server = AuthorityServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def gateway(authority, tmp_path_factory):
    home = tmp_path_factory.mktemp("gateway")
    make_certificate(home / "tls")
    echo = Echo()
    authority.publish(make_snapshot(2, echo.url))
    running = Gateway(home, authority.url).start()
    yield running
    assert running.stop() == 0
    echo.close()


def issue(authority, **claims) -> str:
    token = mint(Prefix.ACCESS_TOKEN)
    authority.live[token] = claims
    return token


def connect(gateway) -> http.client.HTTPSConnection:
    context = ssl.create_default_context(cafile=str(gateway.home / "tls" / "gateway.pem"))
    return http.client.HTTPSConnection("localhost", gateway.port, timeout=20, context=context)


def ask(connection, authorization, **headers) -> http.client.HTTPResponse:
    connection.request("GET", PATH, headers={"Authorization": authorization, **headers})
    answer = connection.getresponse()
    answer.read()
    return answer


def send_proofs(gateway, token, proofs) -> list[http.client.HTTPResponse]:
    answers = []
    for proof in proofs:
        with contextlib.closing(connect(gateway)) as connection:
            answers.append(ask(connection, f"DPoP {token}", DPoP=proof))
    return answers


def test_a_proof_is_good_once_whichever_worker_gets_it(gateway, authority):
    key = make_key()
    token = issue(authority, cnf={"jkt": key.thumbprint})
    address = f"https://localhost:{gateway.port}{PATH}"
    proof = make_proof(key, "", method="GET", htu=address, token=token)

    answers = send_proofs(gateway, token, [proof] * 12)

    assert sorted(answer.status for answer in answers) == [200] + [401] * 11


def test_a_nonce_of_one_worker_is_taken_by_the_others(gateway, authority):
    key = make_key()
    token = issue(authority, cnf={"jkt": key.thumbprint})

    def proof(**more):
        address = f"https://localhost:{gateway.port}{PATH}"
        return make_proof(key, "", method="GET", htu=address, token=token, **more)

    (first,) = send_proofs(gateway, token, [proof()])
    nonce = first.getheader("DPoP-Nonce")
    # By its clock the client is in 1970: it is the nonce that counts.
    answers = send_proofs(gateway, token, [proof(nonce=nonce, iat=1) for _ in range(12)])

    assert {answer.status for answer in answers} == {200}


def test_a_revoked_token_is_refused_by_every_worker_in_a_second_under_load(gateway, authority):
    token = issue(authority)
    seen: list[tuple[float, int]] = []
    is_over = threading.Event()

    def call_again_and_again():
        with contextlib.closing(connect(gateway)) as connection:
            while not is_over.is_set():
                began = time.monotonic()
                seen.append((began, ask(connection, f"Bearer {token}").status))

    threads = [threading.Thread(target=call_again_and_again) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    del authority.live[token]
    authority.revoke(digest(token))
    revoked_at = time.monotonic()
    time.sleep(1.3)
    is_over.set()
    for thread in threads:
        thread.join()

    before = {status for began, status in seen if began < revoked_at - 0.1}
    late = {status for began, status in seen if began > revoked_at + 1.0}
    assert (before, late) == ({200}, {401})


def test_nothing_of_it_is_logged(gateway, authority):
    token = issue(authority)
    with contextlib.closing(connect(gateway)) as connection:
        ask(connection, f"Bearer {token}")

    log = gateway.log.read_text() + (gateway.home / "access.log").read_text()

    assert token not in log
    assert hashlib.sha256(token.encode()).hexdigest() not in log
