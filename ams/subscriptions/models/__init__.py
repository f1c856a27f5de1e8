from ams.subscriptions.models.subscription import Subscriber, Subscription

__all__ = ["Subscriber", "Subscription"]
