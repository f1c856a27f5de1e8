"""Times as the portal and the logs write them; Django's own say "6:57 p.m."."""

from typing import Final

TIME_FORMAT: Final = "H:i"
DATETIME_FORMAT: Final = "j M Y, H:i"
SHORT_DATETIME_FORMAT: Final = "d/m/Y H:i"
