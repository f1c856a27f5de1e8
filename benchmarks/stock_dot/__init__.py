"""django-oauth-toolkit as its documentation sets it up, a peer of `python -m benchmarks`."""
