"""RFC 9449: tokens that are worth nothing without the client's key."""
