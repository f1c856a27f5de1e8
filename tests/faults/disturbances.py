"""What is done to a part of the running installation while clients call."""

import contextlib
import os
import random
import signal
import time

import httpx

PATIENCE_SECONDS = 90


def kill_gateway_worker(stack):
    """SIGKILL one of the worker processes at a random moment."""
    time.sleep(random.uniform(0.2, 1.0))  # noqa: S311 - no secret
    os.kill(random.choice(wait_for(stack.gateway_worker_pids)), signal.SIGKILL)  # noqa: S311
    time.sleep(0.3)


def kill(name):
    """Return what kills a part with all its processes; the supervisor starts it anew."""

    def disturb(stack):
        time.sleep(random.uniform(0.2, 0.6))  # noqa: S311 - no secret
        os.killpg(stack.processes()[name], signal.SIGKILL)
        time.sleep(1)

    disturb.__name__ = f"kill_{name}"
    return disturb


def stop(name):
    """Return what stops a part for a moment, as if its machine were away."""

    def disturb(stack):
        time.sleep(0.2)
        with stack.frozen(name):
            time.sleep(random.uniform(1, 2))  # noqa: S311 - no secret
        time.sleep(0.5)

    disturb.__name__ = f"stop_{name}"
    return disturb


def kill_worker_while_it_folds(stack):
    """SIGKILL Celery in the middle of the transaction that folds batches."""
    stack.ask("hold_rollups")
    wait_for(lambda: stack.ask("waiting_folders"))
    os.killpg(stack.processes()["worker"], signal.SIGKILL)
    stack.ask("release_rollups")
    time.sleep(0.2)


# Each once in the short variant, where they follow the rounds that kill gateway workers.
PARTS = (
    kill_worker_while_it_folds,
    kill("web"),
    stop("valkey"),
    kill("postgres"),
    stop("worker"),
    kill("valkey"),
    stop("web"),
    stop("postgres"),
    kill("beat"),
)
SHORT = PARTS[:4]


def wait_until_recovered(stack):
    """Return when the web role answers from its database, and the gateway has its workers."""
    wait_for(lambda: _answers(f"{stack.issuer}/-/readyz"))
    wait_for(lambda: _answers(f"{stack.gateway_admin_url}/-/readyz"))


def _answers(url):
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(url, timeout=5).status_code == 200
    return False


def wait_for(look):
    """Return what `look` gives as soon as it is true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline, f"{look} is not true in {PATIENCE_SECONDS} s"
        time.sleep(0.05)
    return found
