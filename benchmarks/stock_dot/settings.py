"""What `startproject` and DOT's tutorial give, on PostgreSQL with a connection pool."""

import os

SECRET_KEY = "only for a benchmark on this machine"  # noqa: S105 - nothing is protected by it
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "oauth2_provider",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "benchmarks.stock_dot.urls"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ["BENCH_DATABASE_NAME"],
        "USER": os.environ["BENCH_DATABASE_USER"],
        "HOST": os.environ["BENCH_DATABASE_HOST"],
        "PORT": os.environ["BENCH_DATABASE_PORT"],
        "OPTIONS": {"pool": True},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
OAUTH2_PROVIDER = {"SCOPES": {"bench:read": "Read", "introspection": "Introspect tokens"}}
# The default hasher costs about a million rounds of PBKDF2 a request. The second row of the table
# shows DOT with a hasher that is meant for random secrets.
if os.environ.get("BENCH_FAST_HASHER"):
    OAUTH2_PROVIDER["CLIENT_SECRET_HASHER"] = "fast"  # noqa: S105 - a name
    PASSWORD_HASHERS = ["benchmarks.stock_dot.fast_hasher.FastHasher"]
