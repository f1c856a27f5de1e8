"""The rules of an authorization request, one a file; `table.py` gives their order."""
