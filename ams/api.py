"""The one door of API management for other packages; only dataclasses of ams.data pass it.

list_products(*, search: str = "") -> tuple[ProductData, ...]          published only
get_product(*, slug: str) -> ProductData                               raises NotFound
get_api(*, slug: str) -> APIData                                       raises NotFound
subscribe_to_plan(*, subscriber: SubscriberRef, client_id: str, application_name: str,
plan_id: uuid.UUID) -> SubscriptionData    raises NotFound, AlreadySubscribed
cancel_subscription(*, subscriber: SubscriberRef, subscription_id: uuid.UUID)
        -> SubscriptionData
cancel_client_subscriptions(*, client_id: str) -> int                  the application went away
list_subscriptions(*, subscriber: SubscriberRef, client_id: str = "")
        -> tuple[SubscriptionData, ...]
get_subscription(*, subscriber: SubscriberRef, subscription_id: uuid.UUID) -> SubscriptionData
get_usage(*, subscriber: SubscriberRef, subscription_id: uuid.UUID, hours: int = 24) -> UsageData
list_invoices(*, subscriber: SubscriberRef) -> tuple[InvoiceData, ...]
get_invoice(*, subscriber: SubscriberRef, invoice_id: uuid.UUID) -> InvoiceData
"""
