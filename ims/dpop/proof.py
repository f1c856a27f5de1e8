"""RFC 9449 §4: DPoP proofs, read as `wire.dpop_proof` does and verified with our library."""

from ims import jws
from wire import dpop_proof
from wire.dpop_proof import LONGEST_AGE_SECONDS, Proof, UnusableProof

__all__ = ["LONGEST_AGE_SECONDS", "Proof", "UnusableProof", "read_proof"]


def read_proof(text: str, *, method: str, address: str) -> Proof:
    """Return the proof in a `DPoP` header for a request to `address`. Raises UnusableProof."""
    return dpop_proof.read_proof(text, method=method, addresses=(address,), verify=jws.verify)
