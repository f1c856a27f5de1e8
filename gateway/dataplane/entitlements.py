"""Who may call what: the subscription that entitles a client to an API."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.dataplane.allowance import Allowance
from gateway.dataplane.allowances import Addressed, Allowances, Caller
from gateway.dataplane.usage_journal import MeterKey
from wire.gateway_snapshot import GatewaySnapshot, Plan, Subscription


@dataclass(slots=True, eq=False)
class Entitlement:
    """One subscription as the pipeline needs it."""

    subscription: Subscription
    plan: Plan
    _allowances: Allowances
    _meter_keys: dict[tuple[str, str], MeterKey] = field(default_factory=dict)

    def allowance(self, subject: str, operation: str) -> Allowance | Addressed | None:
        """Return the limits of calls of `operation` by `subject`; made when they first count."""
        return self._allowances.of(Caller(self.subscription, subject, operation), self.plan)

    def meter_key(self, api_id: str, operation_id: str) -> MeterKey:
        """Return the key under which calls of the operation are counted; made once."""
        key = self._meter_keys.get((api_id, operation_id))
        if key is None:
            key = MeterKey(
                subscription_id=self.subscription.id,
                client_id=self.subscription.client_id,
                plan_id=self.plan.id,
                api_id=api_id,
                operation_id=operation_id,
            )
            self._meter_keys[api_id, operation_id] = key
        return key


Entitlements = Mapping[tuple[str, str], Entitlement]


def build_entitlements(snapshot: GatewaySnapshot, allowances: Allowances) -> Entitlements:
    """Return the entitlements by (client id, API id).

    Where a client has two subscriptions to one API, the first of the snapshot counts.
    """
    plans = {plan.id: plan for plan in snapshot.plans}
    entitlements: dict[tuple[str, str], Entitlement] = {}
    by_subscription: dict[str, Plan] = {}
    for subscription in snapshot.subscriptions:
        plan = plans[subscription.plan_id]
        by_subscription[subscription.id] = plan
        entitlement = Entitlement(subscription, plan, allowances)
        for api_id in plan.api_ids:
            entitlements.setdefault((subscription.client_id, api_id), entitlement)
    allowances.keep_only(by_subscription)
    return entitlements
