"""An authorization request on its way from the client's link to the client's redirect URI."""
