"""A file whose position says what a process has sent, even when it was killed (ADR-0007).

`sendfile` fills a socket and moves the position of the file it reads in one system call, and a
signal waits for the end of that call. The position belongs to the open file, not to the process:
the parent, which holds the file too, reads it when the worker is gone.
"""

import errno
import logging
import mmap
import os
import secrets
import socket
from typing import Final, Self

VARIABLE: Final = "TOLLGATE_GATEWAY_SENT_FILE"  # descriptor and id, as the parent passes them
MAX_BYTES: Final = 128 * 1024  # of one `put`
_SIZE: Final = 256 * 1024  # so little that the pages, which change, stay in the caches
_NONE: Final = -1
_MAX_ID: Final = 2**63

_log = logging.getLogger("gateway.usage")


class SentFile:
    """Bytes on their way to a socket. Of one process and one thread; the parent only looks.

    Where there is no memfd, or sendfile does not do as it does on Linux, it sends all the same and
    proves nothing.
    """

    def __init__(self, descriptor: int, identity: int) -> None:
        self.descriptor = descriptor
        self.identity = identity  # of no other file; 0 where it proves nothing
        self._at = 0
        self._map = mmap.mmap(descriptor, _SIZE)

    @classmethod
    def create(cls) -> Self:
        """Return a new file."""
        try:
            descriptor = os.memfd_create("tollgate-sent", os.MFD_CLOEXEC)
        except (AttributeError, OSError):  # no Linux, or forbidden
            return cls(_NONE, 0)
        try:
            os.ftruncate(descriptor, _SIZE)
            return cls(descriptor, secrets.randbelow(_MAX_ID - 1) + 1)
        except BaseException:
            os.close(descriptor)
            raise

    @classmethod
    def inherited(cls) -> Self:
        """Return the file that the parent made for this process, or one of its own."""
        given = os.environ.get(VARIABLE)
        if given is None:
            own = cls.create()
        else:
            descriptor, _, identity = given.partition(":")
            own = cls(int(descriptor), int(identity))
        own._try()
        return own

    @property
    def position(self) -> int:
        """How far the file was sent, since it began anew."""
        return os.lseek(self.descriptor, 0, os.SEEK_CUR)

    def put(self, data: bytes | memoryview) -> int:
        """Take what `send` is to send; return the position the file has when all of it was sent.

        1 to MAX_BYTES bytes. What was put before and not sent is forgotten.
        """
        end = self._at + len(data)
        if end > _SIZE:
            self._begin_anew()
            end = len(data)
        self._map[self._at : end] = data
        return end

    def send(self, to: int, size: int) -> int:
        """Send `size` bytes of what was put; return how many the socket `to` took.

        Raises BlockingIOError when it takes none now, other OSErrors when it never will.
        """
        at = self._at
        if self.descriptor == _NONE:
            sent = os.write(to, self._map[at : at + size])
        else:
            sent = os.sendfile(to, self.descriptor, None, size)
        if not sent:
            raise OSError(errno.EPIPE, "Nothing was sent.")
        self._at = at + sent
        return sent

    def close(self) -> None:
        """Let the file go."""
        self._map.close()
        if self.descriptor != _NONE:
            os.close(self.descriptor)
            self.descriptor = _NONE

    def _try(self) -> None:
        """Send a byte and look; do without proof from now on where that goes wrong."""
        if self.descriptor == _NONE:
            return
        ours, theirs = socket.socketpair()
        with ours, theirs:
            try:
                self._begin_anew()
                is_proof = self.put(b"?") == self.send(ours.fileno(), 1) == self.position
            except OSError:
                is_proof = False
        if not is_proof:
            _log.warning("sendfile proves nothing here: the last call of a killed worker counts")
            self.close()
            self.identity = self._at = 0
            self._map = mmap.mmap(_NONE, _SIZE)

    def _begin_anew(self) -> None:
        """Use the file from its beginning, with new pages: sockets may still read the old ones."""
        if self.descriptor != _NONE:
            os.ftruncate(self.descriptor, 0)
            os.ftruncate(self.descriptor, _SIZE)
            os.lseek(self.descriptor, 0, os.SEEK_SET)
        self._at = 0
