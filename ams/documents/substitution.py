"""`${NAME}` and `${NAME:-default}` in the values of a document; `$${` is a plain `${`."""

import re
from collections.abc import Mapping
from typing import Final

from ams.errors import InvalidDocument

_REFERENCE: Final = re.compile(r"\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\})?")


def substitute(text: str, environment: Mapping[str, str]) -> str:
    """Return `text` with its references replaced. An empty variable counts as one not set.

    Raises InvalidDocument for a variable that is not set and has no default.
    """

    def replace(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        name, default = match[1], match[2]
        if name is None:
            raise InvalidDocument("`${` begins ${NAME} or ${NAME:-default}; write $${ for itself.")
        value = environment.get(name) or default
        if value is None:
            raise InvalidDocument(
                f"the environment variable {name} is not set; a default is written"
                f" ${{{name}:-value}}."
            )
        return value

    return _REFERENCE.sub(replace, text)


def escape(text: str) -> str:
    """Return `text` so that `substitute` gives it back."""
    return text.replace("${", "$${")
