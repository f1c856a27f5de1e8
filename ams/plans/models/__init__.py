from ams.plans.models.plan import Plan, PriceComponent, Product, Quota, RateLimit

__all__ = ["Plan", "PriceComponent", "Product", "Quota", "RateLimit"]
