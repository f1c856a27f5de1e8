#!/usr/bin/env python
"""Django's command line for Tollgate."""

import os
import sys


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if sys.argv[1:2] == ["serve"]:
        # Before Django: it starts the servers whose addresses the settings read.
        from config import serve  # noqa: PLC0415

        return serve.main(sys.argv[2:])
    from django.core.management import execute_from_command_line  # noqa: PLC0415 - after settings

    execute_from_command_line(sys.argv)
    return 0


if __name__ == "__main__":
    sys.exit(main())
