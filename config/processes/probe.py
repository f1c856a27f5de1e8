"""`python -m config.processes.probe PORT`: exit code 0 when the role on that port is ready.

An image has no curl; a container's health check runs this.
"""

import http.client
import sys


def main(port: int) -> int:
    """Return 0 when `/-/readyz` answers 200, else 1."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=4)
    try:
        connection.request("GET", "/-/readyz", headers={"Host": "localhost"})
        return 0 if connection.getresponse().status == http.HTTPStatus.OK else 1
    except (OSError, http.client.HTTPException):
        return 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
