from ams.plans.models.plan import Plan, PriceComponent, Product

__all__ = ["Plan", "PriceComponent", "Product"]
