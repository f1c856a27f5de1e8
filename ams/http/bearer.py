"""RFC 6750 at our own APIs: who holds the token that came with a request."""

from dataclasses import asdict, dataclass
from typing import Any, Final

from django.core.cache import cache
from django.utils import timezone

from ams.ims_client import get_ims_client
from wire.bearer import B64TOKEN, digest

# A revoked token is refused within this time at the latest.
POSITIVE_SECONDS: Final = 5
_LONGEST_TOKEN: Final = 4096


@dataclass(frozen=True, slots=True)
class BearerInfo:
    """What the token service says of a token at one resource. `expires_at` is Unix time."""

    active: bool
    scopes: frozenset[str] = frozenset()
    client_id: str = ""
    subject: str = ""
    expires_at: int = 0


INACTIVE: Final = BearerInfo(active=False)


def introspect_bearer(token: str, *, resource: str) -> BearerInfo:
    """Return who holds `token` at `resource`; INACTIVE when it is not good there.

    RFC 7662 §2.2. Good answers are kept POSITIVE_SECONDS under the token's digest, never the
    token; bad ones are not kept. Blocks for one HTTP call when it has to ask. Raises
    TokenServiceUnavailable, which must end in 503: fail closed.
    """
    if len(token) > _LONGEST_TOKEN or not B64TOKEN.fullmatch(token.encode()):
        return INACTIVE
    key = f"bearer:{digest(token).hex()}:{digest(resource).hex()}"
    now = int(timezone.now().timestamp())
    info = _from_cache(cache.get(key))
    if info is None:
        info = _from_answer(get_ims_client().introspect(token, resource=resource), resource)
        if info.active:
            kept = asdict(info) | {"scopes": sorted(info.scopes)}
            cache.set(key, kept, max(0, min(POSITIVE_SECONDS, info.expires_at - now)))
    return info if info.active and info.expires_at > now else INACTIVE


def _from_cache(kept: dict[str, Any] | None) -> BearerInfo | None:
    if kept is None:
        return None
    return BearerInfo(**(kept | {"scopes": frozenset(kept["scopes"])}))


def _from_answer(answer: Any, resource: str) -> BearerInfo:
    # `is True`: anything but the JSON literal is a refusal.
    if answer.get("active") is not True or type(answer.get("exp")) is not int:
        return INACTIVE
    # A server that ignores `resource` and names no audience would let any token in.
    audience = answer.get("aud")
    if resource not in (audience if isinstance(audience, list) else [audience]):
        return INACTIVE
    # RFC 9449 §7.1: bound to a key, of which nothing is proved here; a thief could send it as well.
    if answer.get("cnf") is not None:
        return INACTIVE
    return BearerInfo(
        active=True,
        scopes=frozenset(str(answer.get("scope", "")).split()),
        client_id=str(answer.get("client_id", "")),
        subject=str(answer.get("sub", "")),
        expires_at=answer["exp"],
    )
