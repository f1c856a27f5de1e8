"""The web role's ASGI application: long polls first, Django for everything else.

Long polls wait on the event loop, so that a waiting gateway never holds a request thread.
"""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_asgi_application()
