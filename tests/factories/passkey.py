"""A passkey in software, as a browser would show it to a page (WebAuthn §6, attestation none)."""

import hashlib
import json
import secrets

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import (
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)

FLAG = AuthenticatorData.FLAG


class Passkey:
    """`is_synced` is whether it may be backed up, as a phone's passkeys are."""

    def __init__(self, *, is_synced=False, rp_id="testserver"):
        self._private_key = ec.generate_private_key(ec.SECP256R1())
        self._id = secrets.token_bytes(16)
        self._rp_id = rp_id
        self._flags = FLAG.UP | FLAG.UV | (FLAG.BE if is_synced else FLAG(0))
        self._uses = 0
        self.user_handle = ""

    def register(self, options):
        """Return the answer to creation options, as JSON."""
        options = options["publicKey"]
        self.user_handle = options["user"]["id"]
        public_key = ES256.from_cryptography_key(self._private_key.public_key())
        credential = AttestedCredentialData.create(bytes(16), self._id, public_key)
        data = AuthenticatorData.create(
            self._rp_hash(), self._flags | FLAG.AT, self._uses, bytes(credential)
        )
        attestation = AttestationObject.create("none", data, {})
        client_data = self._client_data(CollectedClientData.TYPE.CREATE, options["challenge"])
        return self._as_json(
            {
                "clientDataJSON": websafe_encode(client_data),
                "attestationObject": websafe_encode(bytes(attestation)),
            },
            clientExtensionResults={"credProps": {"rk": True}},
        )

    def sign_in(self, options):
        """Return the answer to request options, as JSON."""
        self._uses += 1
        data = AuthenticatorData.create(self._rp_hash(), self._flags, self._uses)
        challenge = options["publicKey"]["challenge"]
        client_data = self._client_data(CollectedClientData.TYPE.GET, challenge)
        signed = bytes(data) + hashlib.sha256(client_data).digest()
        return self._as_json(
            {
                "clientDataJSON": websafe_encode(client_data),
                "authenticatorData": websafe_encode(bytes(data)),
                "signature": websafe_encode(
                    self._private_key.sign(signed, ec.ECDSA(hashes.SHA256()))
                ),
                "userHandle": self.user_handle,
            },
            clientExtensionResults={},
        )

    def _rp_hash(self):
        return hashlib.sha256(self._rp_id.encode()).digest()

    def _client_data(self, kind, challenge):
        return bytes(CollectedClientData.create(kind, challenge, f"https://{self._rp_id}"))

    def _as_json(self, response, **more):
        identifier = websafe_encode(self._id)
        return json.dumps(
            {
                "type": "public-key",
                "id": identifier,
                "rawId": identifier,
                "response": response,
                **more,
            }
        )
