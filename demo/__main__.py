"""`python -m demo --port 9100 --issuer http://localhost:8000`."""

import argparse
import os

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops

_KILL_SECONDS = 5  # how long open event streams may hold up a SIGTERM


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9100)
    parser.add_argument("--issuer", required=True, help="whose tokens to accept")
    parser.add_argument(
        "--audience",
        action="append",
        default=[],
        help="a resource identifier to accept tokens for; default: any that ends in /orders/v1",
    )
    arguments = parser.parse_args()
    # The worker process of the server reads its settings from the environment.
    os.environ["TOLLGATE_DEMO_ISSUER"] = arguments.issuer
    if arguments.audience:
        os.environ["TOLLGATE_DEMO_AUDIENCE"] = " ".join(arguments.audience)
    Granian(
        "demo.app:app",
        address=arguments.host,
        port=arguments.port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        loop=Loops.uvloop,
        websockets=False,
        workers_kill_timeout=_KILL_SECONDS,
    ).serve()


if __name__ == "__main__":
    main()
