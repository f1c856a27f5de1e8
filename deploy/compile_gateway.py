"""Compile the gateway's hot modules with mypyc: `make native`. Needs a C compiler.

The build is a copy of the packages with extension modules beside the sources; the gateway finds it
by the digest of the sources, so an old one is never used.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from gateway import native_build  # noqa: E402 - the path comes first

_NO_COMPILER = 3
_SETUP = """
from mypyc.build import mypycify
from setuptools import setup

setup(
    name="gateway",
    packages=[],
    ext_modules=mypycify({files!r}, opt_level="3", debug_level="0"),
    script_args=["--quiet", "build_ext", "--inplace"],
)
"""


def main() -> int:
    """Return the exit code: 0, or 3 where there is no compiler."""
    build = native_build.build_path()
    if native_build.find_build() is not None:
        print(f"compiled already: {build.relative_to(ROOT)}")
        return 0
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if shutil.which(compiler) is None or not header.exists():
        print(
            f"The gateway is not compiled: {compiler} or Python's headers are missing. On Debian: "
            "apt install gcc python3-dev. It runs as plain Python until then."
        )
        return _NO_COMPILER
    build.parent.mkdir(parents=True, exist_ok=True)
    for old in build.parent.iterdir():
        shutil.rmtree(old)
    with tempfile.TemporaryDirectory(dir=build.parent) as folder:
        _compile(Path(folder))
        native_build.note_complete(Path(folder))
        Path(folder).rename(build)
        Path(folder).mkdir()  # for the context manager to remove
    print(f"compiled: {build.relative_to(ROOT)}")
    return 0


def _compile(folder: Path) -> None:
    for path in native_build.sources():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, target)
    files = [name.replace(".", "/") + ".py" for name in native_build.HOT_MODULES]
    # Its own: the project's settings bring plugins that belong to Django.
    (folder / "mypy.ini").write_text("[mypy]\nstrict = true\n")
    (folder / "setup.py").write_text(_SETUP.format(files=files))
    done = subprocess.run(
        [sys.executable, "setup.py"], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.stderr.write(done.stdout[-4000:] + done.stderr[-8000:])
        raise SystemExit("The gateway could not be compiled; what mypyc said is above.")
    shutil.rmtree(folder / "build")


if __name__ == "__main__":
    raise SystemExit(main())
