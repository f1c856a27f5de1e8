"""The vocabulary both sides of the wire share: frozen dataclasses and pure functions."""
