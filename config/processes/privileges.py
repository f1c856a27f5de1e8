"""What a child process gives up, and gets, between fork and exec."""

import ctypes
import os
import pwd
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_KEEPCAPS: Final = 8
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_RAISE: Final = 2
_CAP_DAC_OVERRIDE: Final = 1
_CAPABILITY_VERSION_3: Final = 0x20080522

_LIBC: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilityData(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def find_server_user(data: Path) -> pwd.struct_passwd | None:
    """Return the account that servers run as, or None where this process is not root.

    PostgreSQL refuses to run as root. The owner of existing data stays its owner; else it is
    `postgres` or `nobody`, whichever this machine has. Raises LookupError where it has neither.
    """
    if os.geteuid() != 0:
        return None
    if data.exists() and data.stat().st_uid != 0:
        return pwd.getpwuid(data.stat().st_uid)
    accounts = {account.pw_name: account for account in pwd.getpwall()}
    for name in ("postgres", "nobody"):
        if name in accounts:
            return accounts[name]
    raise LookupError("neither a `postgres` nor a `nobody` account")


def prepare_child(
    death_signal: signal.Signals, user: pwd.struct_passwd | None = None
) -> Callable[[], None]:
    """Return what the child runs before exec: it becomes `user`, and dies when its parent does.

    The death signal comes when the *thread* that forked ends, so fork from the main thread.
    It is set last, because a change of user clears it. Linux only; elsewhere a left-over child
    is stopped by the next start.
    """
    parent = os.getpid()

    def prepare() -> None:
        if user is not None:
            _become(user)
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
            if os.getppid() != parent:  # it died before the line above
                os._exit(1)

    return prepare


def _become(user: pwd.struct_passwd) -> None:
    """Change user, keeping only the right to pass folders that the new user may not enter.

    A checkout below /root or a private temporary folder is closed to everyone else. Keeping
    CAP_DAC_OVERRIDE leaves the permissions of those folders as their owner set them.
    """
    os.setgroups([])
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    if _LIBC is not None:
        bit = 1 << _CAP_DAC_OVERRIDE
        header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
        data = (_CapabilityData * 2)(_CapabilityData(bit, bit, bit), _CapabilityData(0, 0, 0))
        # Where a sandbox forbids it the server may still reach its folders without.
        if _LIBC.capset(ctypes.byref(header), ctypes.byref(data)) == 0:
            _LIBC.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0)
