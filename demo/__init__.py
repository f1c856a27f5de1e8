"""A small real API behind the gateway: the orders of a shop that exists for demonstration only."""
