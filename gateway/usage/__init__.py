"""Usage counters on their way from a call to the control API."""
