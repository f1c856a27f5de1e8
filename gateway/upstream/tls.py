"""TLS toward upstreams: 1.2 or newer, the certificate and the host name are always checked."""

import ssl
from functools import lru_cache


# Upstreams with the same trust share a context: reading the system's store takes 10 ms.
@lru_cache(maxsize=256)
def make_context(ca_pem: str) -> ssl.SSLContext:
    """Return a client context that trusts `ca_pem` alone, or the system's store when it is empty.

    Raises ValueError when `ca_pem` holds no certificate.
    """
    try:
        context = ssl.create_default_context(cadata=ca_pem or None)
    except ssl.SSLError as error:
        raise ValueError("ca_pem: no PEM certificate was found in it.") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
