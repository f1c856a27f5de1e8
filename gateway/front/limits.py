"""How much, and how long, a client may keep us waiting."""

from dataclasses import dataclass
from typing import Final

NEVER: Final = float("inf")
BODY_TOO_SLOW: Final = "The request's body stood still, or came too slowly."


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds; times are kept to half a second."""

    # Path and query have 8 KiB each by the pipeline, which says so better than we can.
    request_line_bytes: int = 20 * 1024
    head_bytes: int = 64 * 1024
    header_lines: int = 100
    ahead_bytes: int = 64 * 1024  # of pipelined requests, read while one is answered
    body_bytes: int = 256 * 1024  # of a request body, read before the upstream takes it
    # Chunk headers, extensions and trailers: this much, and as much again for each body byte.
    chunk_overhead_bytes: int = 16 * 1024
    chunk_overhead_per_byte: int = 8
    connections_per_address: int = 2000  # of one worker; 0: no bound
    streams: int = 100  # at once, of one HTTP/2 connection
    nuisances: int = 200  # HTTP/2 frames that cost us work and them none, in ten seconds

    handshake_seconds: float = 10.0
    head_seconds: float = 10.0  # from the first byte of a head to its last
    idle_seconds: float = 75.0  # between requests
    body_stall_seconds: float = 30.0  # while somebody waits for the body
    # And in sum: this long, and a second more for so many bytes of it. A trickle holds nothing.
    body_grace_seconds: float = 60.0
    body_bytes_per_second: float = 8.0
    write_stall_seconds: float = 60.0  # while the client takes nothing
    # From the end of what a client sends to the beginning of the answer: it may be gone.
    half_closed_seconds: float = 5.0
    unread_seconds: float = 5.0  # to get rid of a body that nobody wants
    unread_bytes: int = 8 * 1024 * 1024
    linger_seconds: float = 2.0  # between our last byte and closing

    def patience(self, come: int, waited: float) -> float:
        """Return how long to wait for more of a body of which `come` bytes took `waited` s so far.

        Only the time counts in which somebody waited: a slow upstream is not the client's fault.
        """
        in_sum = self.body_grace_seconds + come / self.body_bytes_per_second
        return min(self.body_stall_seconds, max(0.0, in_sum - waited))
