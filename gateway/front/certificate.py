"""A certificate that is replaced while the gateway runs: by SIGHUP, or when its files change."""

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Final

from gateway.front.listener import make_context

_LOOK_SECONDS: Final = 5.0

_log = logging.getLogger(__name__)

Signature = tuple[tuple[int, int, int], ...]  # of both files; what renewals change


class CertificateWatch:
    """Keeps one server context at the certificate and key that are on disk."""

    def __init__(self, context: ssl.SSLContext, certificate: Path, key: Path) -> None:
        self._context = context
        self._files = (certificate, key)
        self._known = self._look()

    async def run(self, look_seconds: float = _LOOK_SECONDS) -> None:
        """Look for ever. Files are read when they have stayed the same from one look to the next.

        A renewal replaces two files, one after the other: between them they do not fit.
        """
        last = self._known
        while True:
            await asyncio.sleep(look_seconds)
            now = self._look()
            if now == last and now != self._known and now:
                self.reload()
            last = now

    def reload(self) -> None:
        """Use the files for new connections; a pair that is not usable changes nothing."""
        self._known = self._look()
        certificate, key = self._files
        try:
            make_context(certificate, key)  # a pair that does not match would be half loaded
            self._context.load_cert_chain(certificate, key)
        except OSError:  # ssl.SSLError is one
            _log.exception("the new TLS certificate cannot be used, the one before stays")
        else:
            _log.info("the TLS certificate was read again")

    def _look(self) -> Signature:
        """Return nothing while a file is not there."""
        try:
            found = [path.stat() for path in self._files]
        except OSError:
            return ()
        return tuple((stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in found)
