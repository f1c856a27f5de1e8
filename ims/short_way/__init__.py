"""A short way to the addresses that machines call all day."""
