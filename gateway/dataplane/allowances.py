"""Which limits a call counts against, and the leases of all of them; bounded in memory.

A lease belongs to one counter: a limit of a plan, and whom it counts. A caller is known by its
subscription, its `sub` and its operation when the token is decided on (`decision`); only the
address is looked up with each call, and only where a limit asks for it.
"""

import hashlib
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from gateway.dataplane.allowance import Allowance
from gateway.dataplane.leases import Grant, Lease, Order
from gateway.dataplane.quota import QuotaLease, Seed
from gateway.dataplane.rate_limit import RateLease
from gateway.dataplane.recent import Recent
from gateway.slices import Steps
from wire.gateway_snapshot import Plan, Quota, RateLimit, Subscription

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

# Of each at most twice as many, some 2 KB apiece. What is forgotten is asked of Valkey again.
MOST_REMEMBERED: Final = 25_000
_MOST_ACTIVE: Final = 100_000
_IPV6_PREFIX: Final = 64  # what one customer is given: all addresses of it count as one


class Valkey(Protocol):
    """Where orders go (`lease_office`)."""

    @property
    def fleet(self) -> int:
        """Return how many workers share the limits, this one included."""

    @property
    def worker_id(self) -> str:
        """Return the name of this process, which no other ever has."""

    def submit(self, order: Order) -> "asyncio.Future[Grant]":
        """Return the answer to come; it may be LeaseUnavailable."""

    def count(self, name: str) -> None:
        """Raise a counter of the worker by one."""


class Plans(Protocol):
    """Who may have which plan."""

    def get(self, subscription_id: str) -> Plan | None:
        """Return the plan of a subscription, if it has one."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom limits count, but for the address."""

    subscription: Subscription
    subject: str
    operation: str  # `<API id>/<operation id>`


@dataclass(frozen=True, slots=True)
class Counter:
    """One limit of a plan, and whom it counts. Other terms make another counter of the worker."""

    key: str  # Valkey's, without window or period
    terms: RateLimit | Quota
    subscription_id: str

    @property
    def identity(self) -> str:
        """Return what no other counter of this worker has."""
        terms = self.terms
        if isinstance(terms, RateLimit):
            return f"{self.key} {terms.limit} {terms.window_seconds} {terms.burst}"
        return f"{self.key} {terms}"

    def is_in_force(self, plans: Plans) -> bool:
        """Whether the subscription's plan still says so."""
        plan = plans.get(self.subscription_id)
        if plan is None:
            return False
        throttles = [quota.throttle for quota in plan.quotas]
        return self.terms in (*plan.rate_limits, *plan.quotas, *throttles)

    def of_network(self, network: str) -> "Counter":
        """Return the counter of a client's network."""
        return Counter(f"{self.key}:{network}", self.terms, self.subscription_id)


Counters = tuple[Counter, ...]


class Addressed:
    """Limits of which some count each client address on its own."""

    __slots__ = ("_addressed", "_allowances", "_fixed", "_prefix")

    def __init__(self, allowances: "Allowances", addressed: Counters, fixed: Counters) -> None:
        self._allowances = allowances
        self._addressed = addressed
        self._fixed = fixed
        self._prefix = _identity_of(addressed + fixed)

    def of(self, address: str) -> Allowance:
        """Return the allowance of `address`."""
        seen = self._allowances.by_address
        found = seen.get(self._prefix + address)
        if found is None:
            network = _digest(network_of(address))
            mine = tuple(counter.of_network(network) for counter in self._addressed)
            found = self._allowances.find(mine + self._fixed)
            seen.put(self._prefix + address, found)
        return found


class Allowances:
    """The leases of a worker; they outlive snapshots that leave their terms as they are."""

    def __init__(self, office: Valkey, most: int = MOST_REMEMBERED) -> None:
        self._office = office
        self.on_missing: Callable[[Seed], None] = _want_none
        self._allowances: Recent[str, Allowance] = Recent(most)
        self._addressed: Recent[str, Addressed] = Recent(most)
        self.by_address: Recent[str, Allowance] = Recent(most)
        self._leases: Recent[str, Lease] = Recent(most)
        # Those that may hold calls. A lease in use is always in here, so that a worker has never
        # two for one counter, whatever it forgot.
        self._active: dict[str, Lease] = {}
        self._counters: Recent[str, Counter] = Recent(most)

    def of(self, caller: Caller, plan: Plan) -> Allowance | Addressed | None:
        """Return what `caller` may do under `plan`, or None where no limit holds for it."""
        rates = [limit for limit in plan.rate_limits if _concerns(limit, caller.operation)]
        addressed = tuple(_rate(limit, caller) for limit in rates if limit.per == "address")
        fixed = tuple(_rate(limit, caller) for limit in rates if limit.per != "address")
        # A quota whose overage is billed refuses nothing; metering is all it needs.
        fixed += tuple(_quota(row, caller) for row in plan.quotas if row.overage != "bill")
        if addressed:
            return self._find_addressed(addressed, fixed)
        return self.find(fixed) if fixed else None

    def find(self, counters: Counters) -> Allowance:
        """Return the allowance of these counters; the same as long as it is remembered."""
        identity = _identity_of(counters)
        found = self._allowances.get(identity)
        if found is None:
            found = Allowance(tuple(map(self._lease, counters)), self)
            self._allowances.put(identity, found)
        return found

    def _find_addressed(self, addressed: Counters, fixed: Counters) -> Addressed:
        identity = _identity_of(addressed + fixed)
        found = self._addressed.get(identity)
        if found is None:
            found = Addressed(self, addressed, fixed)
            self._addressed.put(identity, found)
        return found

    def _lease(self, counter: Counter) -> Lease:
        identity = counter.identity
        found = self._active.get(identity) or self._leases.get(identity)
        if found is None:
            found = self._make(identity, counter)
            self._leases.put(identity, found)
            self._counters.put(identity, counter)
        return found

    def _make(self, identity: str, counter: Counter) -> Lease:
        terms = counter.terms
        if isinstance(terms, RateLimit):
            return RateLease(identity, counter.key, terms, self)
        lease = QuotaLease(identity, counter.key, terms, counter.subscription_id, self)
        if terms.throttle is not None:
            key = f"{counter.key}:throttle"
            lease.slower = self._lease(Counter(key, terms.throttle, counter.subscription_id))
        return lease

    # What leases ask for.

    @property
    def fleet(self) -> int:
        """Return how many workers share the limits."""
        return self._office.fleet

    @property
    def worker_id(self) -> str:
        """Return the name of this process."""
        return self._office.worker_id

    def submit(self, order: Order) -> "asyncio.Future[Grant]":
        """Return Valkey's answer to come."""
        return self._office.submit(order)

    def note_active(self, lease: Lease) -> None:
        """Remember `lease` until it holds nothing."""
        self._active[lease.key] = lease

    def count(self, name: str) -> None:
        """Raise a counter of the worker by one."""
        self._office.count(name)

    def want_seed(self, seed: Seed) -> None:
        """Pass it on."""
        self.on_missing(seed)

    # Off the path of calls.

    def __len__(self) -> int:
        return len(self._leases)

    def keep_only(self, plans: Plans) -> Steps[None]:
        """Give back what is leased on terms that are in force no more."""
        for lease in list(self._active.values()):
            yield
            counter = self._counters.get(lease.key)
            if counter is not None and not counter.is_in_force(plans):
                lease.give_back()

    def sweep(self, now: float) -> None:
        """Give idle leases back, and forget those that hold nothing."""
        for key, lease in list(self._active.items()):
            lease.sweep(now)
            if lease.forget(now):
                del self._active[key]
        for key in list(self._active)[:-_MOST_ACTIVE]:
            # Valkey has been away for long, and callers were many: the oldest start anew.
            del self._active[key]

    def valkey_is_back(self) -> None:
        """Return from the workers' own shares to the shared limits."""
        for lease in list(self._active.values()):
            lease.valkey_is_back()

    def give_back(self) -> None:
        """Give every unused lease back; the worker stops."""
        for lease in list(self._active.values()):
            lease.give_back()


def network_of(address: str) -> str:
    """Return what counts as one address: of IPv6 the /64, of IPv4 in IPv6 the IPv4 address."""
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((parsed, _IPV6_PREFIX), strict=False))


def _concerns(limit: RateLimit, operation: str) -> bool:
    return not limit.operations or operation in limit.operations


def _rate(limit: RateLimit, caller: Caller) -> Counter:
    subscription = caller.subscription
    who = subscription.id
    if limit.per == "client":
        # Under the same plan; whoever subscribes anew goes on with the old counter.
        who = f"{subscription.plan_id}:{subscription.client_id}"
    key = f"tollgate:limit:{{{who}}}:{limit.name}"
    if limit.per == "user":
        key += f":{_digest(caller.subject)}"
    if limit.each_operation:
        key += f":{caller.operation}"
    return Counter(key, limit, subscription.id)


def _quota(quota: Quota, caller: Caller) -> Counter:
    subscription = caller.subscription
    key = f"tollgate:quota:{{{subscription.id}}}:{quota.name}"
    return Counter(key, quota, subscription.id)


def _digest(who: str) -> str:
    """Return what stands for a person or an address in Valkey, which need not know them."""
    return hashlib.blake2b(who.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def _identity_of(counters: Counters) -> str:
    return "\n".join(counter.identity for counter in counters)


def _want_none(seed: Seed) -> None:
    """Seed nothing: nobody is there who knows what is metered."""
    del seed
