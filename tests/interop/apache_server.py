"""Apache with modules of others, as a child of the test."""

import os
import shutil
from pathlib import Path

MODULES = Path("/usr/lib/apache2/modules")
PROGRAM = shutil.which("apache2", path=f"{os.environ['PATH']}:/usr/sbin")


def find_obstacle(module):
    """Why Apache cannot run with `module` here, or None."""
    if PROGRAM is None:
        return "no apache2 on the PATH (Debian: apache2)"
    if not (MODULES / f"mod_{module}.so").exists():
        package = f"libapache2-mod-{module.replace('_', '-')}"
        return f"Apache has no mod_{module} here (Debian: {package})"
    return None
