"""What a worker knows of targets, written for the metrics page when it has changed."""

import json
import logging
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from gateway.dataplane.upstreams import Upstreams

_MOST_TARGETS: Final = 4096  # the page stays readable; what is beyond is not shown

_log = logging.getLogger(__name__)


class TargetReport:
    """Keeps the file of one worker."""

    def __init__(self, upstreams: Upstreams, path: Path) -> None:
        self._upstreams = upstreams
        self._path = path
        self._written = b""

    def export(self) -> None:
        """Write the file when it would be another; called every second or so."""
        rows = [
            {
                "upstream": name,
                "target": urlsplit(target.name).netloc,
                "up": int(target.is_up),
                "failures": target.failed_calls,
                "ejections": target.times_ejected,
            }
            for name, group in self._upstreams.groups()
            for target in group.targets
        ][:_MOST_TARGETS]
        content = json.dumps(rows).encode()
        if content == self._written:
            return
        try:
            self._path.write_bytes(content)
        except OSError:
            _log.exception("what is known of targets could not be written")
        else:
            self._written = content
