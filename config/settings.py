"""Django settings. What an installation may change is read in `config.env`."""

import urllib.parse
from pathlib import Path
from typing import Any

from csp.constants import NONCE, NONE, SELF

from config import admin_look, env

BASE_DIR = env.BASE_DIR
HOME = env.home()
IS_PRODUCTION = env.is_production()

WEB_PORT = env.integer("TOLLGATE_WEB_PORT", 8000)
GATEWAY_PORT = env.integer("TOLLGATE_GATEWAY_PORT", 8443)
GATEWAY_ADMIN_PORT = env.integer("TOLLGATE_GATEWAY_ADMIN_PORT", 9443)
# The issuer is the web origin (no trailing slash); everything else is found by discovery.
ISSUER = env.text("TOLLGATE_ISSUER", f"http://localhost:{WEB_PORT}")
GATEWAY_URL = env.text("TOLLGATE_GATEWAY_URL", f"https://localhost:{GATEWAY_PORT}")

SECRET_KEY = env.secret_key()
DEBUG = False
ALLOWED_HOSTS = [
    *env.text("TOLLGATE_ALLOWED_HOSTS", "").split(),
    urllib.parse.urlsplit(ISSUER).hostname or "localhost",
    "localhost",
    "127.0.0.1",
]
CSRF_TRUSTED_ORIGINS = [ISSUER]
# Our own reverse proxies in front: what they say of the browser's address and of TLS is believed.
ALLAUTH_TRUSTED_PROXY_COUNT = env.integer("TOLLGATE_TRUSTED_PROXIES", 0)
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if ALLAUTH_TRUSTED_PROXY_COUNT else None
)

INSTALLED_APPS = [
    "config.apps.ConfigConfig",
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "oauth2_provider",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "csp",
    "ims.apps.IMSConfig",
    "ams.catalog.apps.CatalogConfig",
    "ams.plans.apps.PlansConfig",
    "ams.subscriptions.apps.SubscriptionsConfig",
    "ams.metering.apps.MeteringConfig",
    "ams.billing.apps.BillingConfig",
    "portal.apps.PortalConfig",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "ims.audit.middleware.AuditContextMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "portal.session.PortalSessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "ims.admin.audit_trail.AdminAuditMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
            ],
        },
    },
]


def _database(url: str) -> dict[str, Any]:
    parts = urllib.parse.urlsplit(url or "postgresql://")
    query = dict(urllib.parse.parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": urllib.parse.unquote(parts.path.lstrip("/")) or "postgres",
        "USER": urllib.parse.unquote(parts.username or ""),
        "PASSWORD": urllib.parse.unquote(parts.password or ""),
        "HOST": query.pop("host", parts.hostname or ""),
        "PORT": str(parts.port or query.pop("port", "")),
        "CONN_HEALTH_CHECKS": True,  # by the pool: a restart of PostgreSQL costs nobody a 500
        "OPTIONS": {
            **query,
            "pool": {"min_size": 1, "max_size": env.integer("TOLLGATE_DATABASE_POOL", 20)},
        },
    }


DATABASE_URL = env.service_url("DATABASE_URL")
REDIS_URL = env.service_url("REDIS_URL")
DATABASES = {"default": _database(DATABASE_URL)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL or "redis://127.0.0.1:6379/0",
        "KEY_PREFIX": "tollgate",
    }
}

# --- people ---
AUTH_USER_MODEL = "ims.User"
AUTHENTICATION_BACKENDS = ["ims.password_backend.PasswordBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/login/"  # whoever signs in directly is signed in at the portal too
ACCOUNT_LOGIN_METHODS = {"email", "username"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_CONFIRM_EMAIL_ON_GET = False
ACCOUNT_LOGIN_ON_EMAIL_CONFIRMATION = True
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_NOTIFICATIONS = True  # of what an intruder would change
ACCOUNT_DEFAULT_HTTP_PROTOCOL = urllib.parse.urlsplit(ISSUER).scheme
ACCOUNT_ADAPTER = "ims.account_adapter.AccountAdapter"
ACCOUNT_FORMS = {"login": "ims.login_form.LoginForm", "signup": "ims.signup_form.SignupForm"}
ACCOUNT_SESSION_REMEMBER = True
USERSESSIONS_TRACK_ACTIVITY = False
USERSESSIONS_ADAPTER = "ims.sessions_adapter.UserSessionsAdapter"
MFA_ADAPTER = "ims.mfa_adapter.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
# Failed sign-ins are counted by ims.throttle, which no stranger can turn against an owner. This
# one bounds the password hashes of one address; a company behind one has to fit.
ACCOUNT_RATE_LIMITS = {"login": "120/m/ip"}

SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
SESSION_COOKIE_NAME = "tollgate_identity"
PORTAL_SESSION_COOKIE_NAME = "tollgate_portal"
CSRF_COOKIE_NAME = "tollgate_csrf"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = ISSUER.startswith("https://")
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"

# --- mail: files in development, shown at /-/mail/ ------------------------------------------
MAILBOX_DIR: Path | None = None if IS_PRODUCTION else HOME / "mail"
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
if MAILBOX_DIR is not None:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = str(MAILBOX_DIR)
EMAIL_HOST = env.text("TOLLGATE_SMTP_HOST", "localhost")
EMAIL_PORT = env.integer("TOLLGATE_SMTP_PORT", 25)
DEFAULT_FROM_EMAIL = env.text("TOLLGATE_MAIL_FROM", "Tollgate <no-reply@tollgate.example>")

# --- token service (ims reads these through ims/conf.py) ---
# Every DOT model that we replace is swapped, so that DOT makes no tables for them (ADR-0002).
OAUTH2_PROVIDER_APPLICATION_MODEL = "ims.Client"
OAUTH2_PROVIDER_ACCESS_TOKEN_MODEL = "ims.AccessToken"  # noqa: S105
OAUTH2_PROVIDER_REFRESH_TOKEN_MODEL = "ims.RefreshToken"  # noqa: S105
OAUTH2_PROVIDER_GRANT_MODEL = "ims.AuthorizationCode"
OAUTH2_PROVIDER = {
    "PKCE_REQUIRED": True,
    "ALLOWED_REDIRECT_URI_SCHEMES": ["http", "https"],
    "APPLICATION_ADMIN_CLASS": "ims.admin.clients.ClientAdmin",
    **{
        f"{model}_ADMIN_CLASS": "ims.admin.hidden.HiddenAdmin"
        for model in ("ACCESS_TOKEN", "REFRESH_TOKEN", "GRANT", "ID_TOKEN")
    },
}
# Read by ims/dpop and ims/outbound.
DPOP_NONCE_REQUIRED = env.flag("TOLLGATE_DPOP_NONCE_REQUIRED", default=True)
OUTBOUND_ALLOW_PRIVATE = env.flag("TOLLGATE_OUTBOUND_ALLOW_PRIVATE", default=False)
OUTBOUND_CA_FILE = env.text("TOLLGATE_OUTBOUND_CA_FILE", "")
# Read by ams; gateways read the variable, too.
UPSTREAMS_ALLOW_INTERNAL = env.flag("TOLLGATE_UPSTREAMS_ALLOW_INTERNAL", default=False)

# --- the credentials that the parts of one installation hold (files 0600 under var/secrets) ---
SECRETS_DIR = HOME / "secrets"

# --- management API -----------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["ams.http.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["ams.http.permissions.HasManagementScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.LimitOffsetPagination",
    "PAGE_SIZE": 50,
    "EXCEPTION_HANDLER": "ams.http.problems.answer_problem",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Tollgate management API",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# --- Celery ---
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_ACKS_LATE = CELERY_TASK_REJECT_ON_WORKER_LOST = CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = 600
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600, "socket_timeout": 30}
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True

# --- pages ---
LANGUAGE_CODE = "en-gb"
FORMAT_MODULE_PATH = "config.formats"
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
# An image collects the files when it is built; a checkout serves them from where they are.
STATIC_ROOT = env.text("TOLLGATE_STATIC_ROOT", "") or None
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = STATIC_ROOT is None

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SECURE_HSTS_SECONDS = 31_536_000 if ISSUER.startswith("https://") else 0
# Admin (django-unfold needs inline scripts) and the API browser have a weaker policy of their own.
CONTENT_SECURITY_POLICY = {
    "EXCLUDE_URL_PREFIXES": ["/admin/"],
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    },
}
UNFOLD = admin_look.UNFOLD

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": env.text("TOLLGATE_LOG_LEVEL", "INFO")},
    "loggers": {"httpx": {"level": "WARNING"}},
}
