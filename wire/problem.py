"""RFC 9457: problem details, the body of every error the gateway and the APIs answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem document. `type` is a relative URI reference that the documentation resolves."""

    status: int
    type: str
    title: str
    detail: str = ""
    instance: str = ""
    extensions: Mapping[str, object] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return the JSON body (RFC 9457 §3); empty members are left out."""
        document: dict[str, object] = {
            "type": self.type,
            "title": self.title,
            "status": self.status,
        }
        if self.detail:
            document["detail"] = self.detail
        if self.instance:
            document["instance"] = self.instance
        document.update(self.extensions)
        return json.dumps(document, separators=(",", ":")).encode()
