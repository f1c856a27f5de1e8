"""`python -m gateway`: serve calls until SIGTERM."""

import sys

from gateway import config, server


def main() -> int:
    """Return the exit code; a sentence on standard error says what to mend."""
    try:
        server.run(config.load())
    except config.BadConfiguration as error:
        if str(error):  # else a worker has said it
            print(error, file=sys.stderr)  # noqa: T201 - for the person who started it
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
