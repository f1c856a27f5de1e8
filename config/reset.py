"""`make reset`: wipe the data folder, when it is one of ours and nothing is running in it.

Standard library only: it must work before the virtual environment exists, and without it.
"""

import shutil
import sys

from config import env
from config.processes import preflight
from config.processes.preflight import NotReady


def main() -> int:
    """Wipe the folder; 1 when it must not be wiped."""
    home = env.home()
    if not home.exists():
        sys.stdout.write(f"There is no {home}; nothing to wipe.\n")
        return 0
    if not (home / preflight.MARKER).is_file() or home == env.BASE_DIR:
        sys.stderr.write(
            f"{home} is no data folder of Tollgate (it holds no {preflight.MARKER}), "
            "so it stays as it is. Check TOLLGATE_HOME.\n"
        )
        return 1
    try:
        (home / "run").mkdir(exist_ok=True)
        with preflight.hold(home):
            for path in home.iterdir():
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                elif path.name != preflight.MARKER:
                    path.unlink()
            (home / preflight.MARKER).unlink()  # last: an interrupted wipe can be repeated
    except NotReady as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{home} is empty. `make run` starts anew.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
