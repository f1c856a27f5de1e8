"""Documents that others publish on the web, fetched without being led astray."""
