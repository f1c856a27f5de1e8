"""The control API as the gateway uses it: snapshots down, usage up."""

import json
from typing import Final, Protocol
from urllib.parse import quote

from gateway.config import Config
from gateway.dataplane.guarded_authority import AuthorityFailed
from gateway.origin_client import Answer, OriginClient, OriginUnreachable
from wire.recent_calls import RecentCall, as_document
from wire.usage_batch import UsageBatch
from wire.usage_report import UsageReport

_WAIT_SECONDS: Final = 20
_NEVER_TAKEN: Final = frozenset({400, 413, 422})  # malformed, too large, unprocessable


class ControlFailed(Exception):
    """The control API gave no usable answer; trying again later may help."""


class BatchRefused(Exception):
    """The control API will never take this batch: trying again is useless."""


class TokenSource(Protocol):
    """Who gives us access tokens for the control API."""

    async def control_token(self) -> bytes:
        """Return a live token. Raises AuthorityFailed."""

    def forget_control_token(self) -> None:
        """Get a new one next time: the token was refused."""


class ControlClient:
    """Talks to `<control URL>/control/v1`."""

    def __init__(self, config: Config, tokens: TokenSource) -> None:
        self._url = f"{config.control_url}/control/v1"
        self._tokens = tokens
        self._client = OriginClient(
            ca_pem=config.issuer_ca_pem, patience_seconds=_WAIT_SECONDS + 10.0
        )

    async def read_snapshot(self, after: int, digest: str, *, waits: bool) -> bytes | None:
        """Return the snapshot above version `after`, or what changed since, or None.

        `digest` is that of the version that is held; empty: everything is asked for. None comes
        when there is nothing new, with `waits` only after 20 s.
        """
        wait = _WAIT_SECONDS if waits else 0
        held = f"&digest={digest}" if digest else ""
        answer = await self._request(b"GET", f"/snapshot?after={after}&wait={wait}{held}")
        if answer.status == 204:
            return None
        if answer.status != 200:
            raise ControlFailed(f"The control API answered {answer.status}.")
        return answer.body

    async def send_usage(self, batch: UsageBatch) -> None:
        """Deliver a batch; it may be sent again, it is stored once. Raises on failure."""
        body = json.dumps(batch.as_document(), separators=(",", ":")).encode()
        answer = await self._request(b"POST", "/usage-batches", body)
        if answer.status in _NEVER_TAKEN:
            raise BatchRefused(f"The control API answered {answer.status} to the batch.")
        if answer.status not in {200, 201}:
            raise ControlFailed(f"The control API answered {answer.status}.")

    async def send_usage_report(self, report: UsageReport) -> int:
        """Tell what is shipped; return the last reconciled minute (Unix time), 0 for none."""
        body = json.dumps(report.as_document(), separators=(",", ":")).encode()
        answer = await self._request(b"POST", "/usage-reports", body)
        if answer.status != 200:
            raise ControlFailed(f"The control API answered {answer.status}.")
        try:
            return int(json.loads(answer.body)["reconciled_minute"] or 0)
        except (ValueError, KeyError, TypeError) as error:
            raise ControlFailed("The control API's answer to a usage report is none.") from error

    async def send_recent_calls(self, calls: list[RecentCall]) -> None:
        """Deliver a sample of calls. Raises ControlFailed."""
        body = json.dumps(as_document(calls), separators=(",", ":")).encode()
        answer = await self._request(b"POST", "/recent-calls", body)
        if answer.status != 204:
            raise ControlFailed(f"The control API answered {answer.status}.")

    async def count_metered_calls(self, subscription_id: str, since: int) -> int:
        """Return the calls of a subscription that are metered since `since` (Unix time)."""
        path = f"/quota-usage?subscription={quote(subscription_id, safe='')}&since={since}"
        answer = await self._request(b"GET", path)
        if answer.status != 200:
            raise ControlFailed(f"The control API answered {answer.status}.")
        try:
            return int(json.loads(answer.body)["calls"])
        except (ValueError, KeyError, TypeError) as error:
            raise ControlFailed("The control API's answer names no number of calls.") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _request(self, method: bytes, path: str, body: bytes = b"") -> Answer:
        try:
            token = await self._tokens.control_token()
            headers = [(b"authorization", b"Bearer " + token), (b"accept", b"application/json")]
            if body:
                headers.append((b"content-type", b"application/json"))
            answer = await self._client.request(method, self._url + path, headers, body)
        except (OriginUnreachable, AuthorityFailed) as error:
            raise ControlFailed(str(error)) from error
        if answer.status == 401:
            self._tokens.forget_control_token()
        return answer
