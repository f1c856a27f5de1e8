"""Apache with one module of others, as a child of the test; all its files are in a temp folder."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

MODULES = Path("/usr/lib/apache2/modules")
PROGRAM = shutil.which("apache2", path=f"{os.environ['PATH']}:/usr/sbin")
READY_SECONDS = 20
STOP_SECONDS = 15
# Apache refuses to serve as root.
UNPRIVILEGED = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""


def find_obstacle(module):
    """Why Apache cannot run with `module` here, or None."""
    if PROGRAM is None:
        return "no apache2 on the PATH (Debian: apache2)"
    if not (MODULES / f"mod_{module}.so").exists():
        package = f"libapache2-mod-{module.replace('_', '-')}"
        return f"Apache has no mod_{module} here (Debian: {package})"
    return None


@contextlib.contextmanager
def serve_apache(module, port, directives):
    """Run Apache on loopback with `directives`; yield its origin."""
    home = Path(tempfile.mkdtemp(prefix="tollgate-apache-"))
    process = None
    try:
        process = _start(home, module, port, directives)
        _wait_until_it_listens(home, process, port)
        yield f"http://127.0.0.1:{port}"
    finally:
        if process is not None:
            process.terminate()
            process.wait(STOP_SECONDS)
        shutil.rmtree(home, ignore_errors=True)


def _start(home, module, port, directives):
    for folder in ("pages", "pages/members"):
        (home / folder).mkdir()
        (home / folder / "index.txt").write_text("Welcome.\n")
    home.chmod(0o755)
    (home / "httpd.conf").write_text(
        _CONFIGURATION.format(
            home=home,
            module=module,
            modules=MODULES,
            port=port,
            unprivileged=UNPRIVILEGED,
            directives=directives,
        )
    )
    with (home / "output").open("wb") as output:
        return subprocess.Popen(
            [PROGRAM, "-f", str(home / "httpd.conf"), "-D", "FOREGROUND"],
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def _wait_until_it_listens(home, process, port):
    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    said = [path.read_text() for path in (home / "output", home / "error.log") if path.exists()]
    raise AssertionError(f"Apache did not start: {' '.join(said)}")


_CONFIGURATION = """
ServerRoot {home}
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile {home}/httpd.pid
ErrorLog {home}/error.log
LogLevel warn {module}:warn
Mutex file:{home}
{unprivileged}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authn_core_module {modules}/mod_authn_core.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule authz_user_module {modules}/mod_authz_user.so
LoadModule headers_module {modules}/mod_headers.so
LoadModule {module}_module {modules}/mod_{module}.so
StartServers 1
ServerLimit 1
ThreadsPerChild 8
MaxRequestWorkers 8
DocumentRoot {home}/pages
<Directory {home}/pages>
  Require all granted
</Directory>
{directives}
"""
