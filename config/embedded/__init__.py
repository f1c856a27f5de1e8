"""PostgreSQL and Valkey from PyPI wheels, as child processes with their data under var/."""
