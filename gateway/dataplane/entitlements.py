"""Who may call what: the subscription that entitles a client to an API."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from gateway.dataplane.allowance import Allowance
from gateway.dataplane.allowances import Addressed, Allowances, Caller
from gateway.dataplane.usage_journal import MeterKey
from wire.gateway_snapshot import Plan, Subscription


@dataclass(slots=True, eq=False, weakref_slot=True)
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


class Entitlements:
    """The entitlements of one version; made when they are asked for, once per subscription.

    An entitlement is the same object from version to version while its subscription and plan are.
    """

    def __init__(
        self,
        clients: Mapping[str, tuple[Subscription, ...]],
        plans: Mapping[str, Plan],
        allowances: Allowances,
        previous: "Entitlements | None" = None,
    ) -> None:
        """`clients` has the subscriptions by client id, the oldest first."""
        self._clients = clients
        self._plans = plans
        self._allowances = allowances
        # For as long as a token's decisions hold them.
        self._made: WeakValueDictionary[str, Entitlement] = (
            WeakValueDictionary() if previous is None else previous._made  # noqa: SLF001 - its own kind
        )

    def find(self, client_id: str, api_id: str) -> Entitlement | None:
        """Return what entitles the client to the API.

        Where it has two subscriptions, the older one counts.
        """
        for subscription in self._clients.get(client_id, ()):
            plan = self._plans[subscription.plan_id]
            if api_id in plan.api_ids:
                return self._entitlement(subscription, plan)
        return None

    def _entitlement(self, subscription: Subscription, plan: Plan) -> Entitlement:
        known = self._made.get(subscription.id)
        if known is not None and known.subscription is subscription and known.plan is plan:
            return known
        made = Entitlement(subscription, plan, self._allowances)
        self._made[subscription.id] = made
        return made


@dataclass(frozen=True, slots=True)
class PlansInForce:
    """The plan of each subscription, without a list of them."""

    subscriptions: Mapping[str, Subscription]
    plans: Mapping[str, Plan]

    def get(self, subscription_id: str) -> Plan | None:
        """Return the plan, or None where there is no such subscription."""
        subscription = self.subscriptions.get(subscription_id)
        return None if subscription is None else self.plans[subscription.plan_id]
