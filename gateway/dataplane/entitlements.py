"""Who may call what: the subscription that entitles a client to an API."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.dataplane.allowance import Allowance, Allowances, Terms, terms_of
from gateway.dataplane.usage_journal import MeterKey
from wire.gateway_snapshot import GatewaySnapshot, Plan, Subscription


@dataclass(slots=True, eq=False)
class Entitlement:
    """One subscription as the pipeline needs it."""

    subscription: Subscription
    plan: Plan
    _allowances: Allowances
    _meter_keys: dict[tuple[str, str], MeterKey] = field(default_factory=dict)

    def allowance(self) -> Allowance | None:
        """Return the limits; made at the first call, since most subscriptions sleep."""
        return self._allowances.of(self.subscription.id, self.plan)

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
    terms: set[Terms] = set()
    for subscription in snapshot.subscriptions:
        plan = plans[subscription.plan_id]
        terms.add(terms_of(subscription.id, plan))
        entitlement = Entitlement(subscription, plan, allowances)
        for api_id in plan.api_ids:
            entitlements.setdefault((subscription.client_id, api_id), entitlement)
    allowances.keep_only(terms)
    return entitlements
