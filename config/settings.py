"""The settings. See docs/deploying.md for each environment variable."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import django
from csp.constants import NONE, SELF

from .env import Env, WrongVariable

BASE_DIR = Path(__file__).resolve().parent.parent

env = Env(BASE_DIR)

# Core
DEBUG = env.bool("DJANGO_DEBUG", default=False)
# Else gunicorn does not start with DEBUG (profiles/checks.py).
DEBUG_UNDER_GUNICORN = env.bool("DJANGO_DEBUG_UNDER_GUNICORN", default=False)
SECRET_KEY = env.str("DJANGO_SECRET_KEY", default="not-secret-" * 5 if DEBUG else "")
if not SECRET_KEY:
    raise WrongVariable(
        "DJANGO_SECRET_KEY is not set. Set it to a long random text, or DJANGO_DEBUG=on to develop."
    )
# While the key is replaced: what an earlier one has signed or encrypted is still read.
SECRET_KEY_FALLBACKS = env.list("DJANGO_SECRET_KEY_FALLBACKS", default=[])
# Before quotes were removed, they were a part of the key: what it has signed is still read.
if (
    quoted_key := env.raw("DJANGO_SECRET_KEY", str, default=SECRET_KEY) or SECRET_KEY
) != SECRET_KEY:
    SECRET_KEY_FALLBACKS.append(quoted_key)
# Each is a name, perhaps with a port, which mailed links then have. Django compares names alone.
HOSTS = [
    re.split(r"(?<=[^:]):(?=\d+$)", host) for host in env.list("DJANGO_ALLOWED_HOSTS", default=[])
]
ALLOWED_HOSTS = [name for name, *_ in HOSTS]
INSTALLED_APPS = [
    "profiles",
    "profiles.pictures",
    "config.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    # Before staticfiles, so that runserver serves static files as production does.
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "csp",
]
MIDDLEWARE = [
    "config.middleware.head",
    "config.middleware.request_id",
    "config.middleware.access",
    "config.middleware.health",
    "config.middleware.headers",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "config.middleware.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.middleware.ExceptionMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
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
            ],
            "libraries": {"site": "config.tags"},
        },
    },
]
FILE_UPLOAD_HANDLERS = [
    "profiles.pictures.uploads.LimitUploadHandler",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "profiles.pictures.uploads.UnnamedFileUploadHandler",
]
DATA_UPLOAD_MAX_NUMBER_FILES = 1  # No form has more, and each file may take 20 MB of /tmp.

# Databases
DATABASES = {
    "default": env.db_url(
        "DATABASE_URL",
        default={"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"},
    )
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        # Take the write lock at BEGIN: a lock taken later fails at once instead of waiting.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
    # Keep connections: the last one to be closed deletes two files that each next one needs even to
    # read, and a full disk has no room for them. runserver has a new thread for each request.
    DATABASES["default"]["CONN_MAX_AGE"] = 0 if DEBUG else None
else:
    # Each of gunicorn's threads keeps one connection. That is as fast as a pool (a twentieth of the
    # time without), and while the database is down a request fails at once, instead of waiting for
    # the pool and blocking a thread. runserver has a new thread for each request, so keep none.
    DATABASES["default"] |= {"CONN_MAX_AGE": 0 if DEBUG else 300, "CONN_HEALTH_CHECKS": True}
    DATABASES["default"]["OPTIONS"] = {"connect_timeout": 5} | DATABASES["default"].get(
        "OPTIONS", {}
    )
# In the memory of each process: how often strangers search (profiles/throttles.py).
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# E-mail
EMAIL_URL = env.str("EMAIL_URL", default="consolemail://" if DEBUG else "dummymail://")
HAS_MAIL = not EMAIL_URL.startswith("dummymail:")
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="likeness@localhost")
# A visitor waits while a mail is sent.
mail = env.email_url("EMAIL_URL", default=EMAIL_URL) | {"EMAIL_TIMEOUT": 10}
if django.VERSION < (6, 1):
    globals().update(mail)
else:
    # Newer versions of Django have MAILERS, whose backends refuse the options of the others.
    names = {
        "smtp": {
            "host": "EMAIL_HOST",
            "port": "EMAIL_PORT",
            "username": "EMAIL_HOST_USER",
            "password": "EMAIL_HOST_PASSWORD",
            "use_tls": "EMAIL_USE_TLS",
            "use_ssl": "EMAIL_USE_SSL",
            "timeout": "EMAIL_TIMEOUT",
        },
        "file": {"file_path": "EMAIL_FILE_PATH"},
    }.get(EMAIL_URL[:4], {})
    options = {option: mail.get(name) for option, name in names.items()}
    MAILERS = {"default": {"BACKEND": mail["EMAIL_BACKEND"], "OPTIONS": options}}

# What the site says of its operator; empty: nothing. profiles/checks.py checks both.
SECURITY_CONTACT = env.str("SECURITY_CONTACT", default="")
IMPRINT_URL = env.str("IMPRINT_URL", default="")

# Security
HTTPS = env.bool("DJANGO_HTTPS", default=not DEBUG)
# The number of proxies in front, each adding to X-Forwarded-For; see profiles/clients.py.
TRUSTED_PROXIES = env.int("DJANGO_TRUSTED_PROXIES", default=0)
# gunicorn reads these itself, and names no variable that is wrong; so they are checked here.
FORWARDED_ALLOW_IPS = env.raw("FORWARDED_ALLOW_IPS", "networks", []) or ["127.0.0.1", "::1"]
HOST = env.get_value("HOST", "host", "127.0.0.1")
PORT = env.raw("PORT", "port", 8000)
WEB_CONCURRENCY = env.raw("WEB_CONCURRENCY", "workers", 2)
CSRF_TRUSTED_ORIGINS = env.list("DJANGO_CSRF_TRUSTED_ORIGINS", default=[])
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
# Browsers accept a `__Host-` cookie only from this host, not from a subdomain.
SESSION_COOKIE_NAME = "__Host-sessionid" if HTTPS else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken" if HTTPS else "csrftoken"
CSRF_COOKIE_HTTPONLY = True  # Scripts read the form's field.
CSRF_FAILURE_VIEW = "config.views.refuse_form"
SECURE_HSTS_SECONDS = env.int("DJANGO_HSTS_SECONDS", default=31536000) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = False
SECURE_REFERRER_POLICY = "same-origin"
SESSION_ENGINE = "config.sessions"
# A session ends this long after the last visit, and this long after signing in. The server decides;
# the cookie may last as long as the session can. docs/security.md explains the numbers.
SESSION_IDLE_AGE, SESSION_AGE = timedelta(days=14), timedelta(days=30)
SESSION_COOKIE_AGE = int(SESSION_AGE.total_seconds())
X_FRAME_OPTIONS = "DENY"
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
SILENCED_SYSTEM_CHECKS = [
    "mail.E001",  # A site may send no mail: profiles.W002 warns of it.
    "security.W005",  # HSTS for subdomains: other subdomains may not have TLS.
    "security.W021",  # HSTS preload: it covers the whole domain and is hard to undo.
]
if not HTTPS:
    # Plain HTTP is intended, on loopback or behind a proxy that terminates TLS.
    SILENCED_SYSTEM_CHECKS += ["security.W004", "security.W008", "security.W012", "security.W016"]

# Internationalisation
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("ar", "العربية")]  # In the language itself.
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_AGE = 365 * 24 * 60 * 60
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SECURE = HTTPS
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

# Static files: part of the source. `collectstatic` adds a hash of the content to each name.
STATIC_HOST = env.str("STATIC_HOST", default="").rstrip("/")
STATIC_URL = f"{STATIC_HOST}/static/"
STATIC_ROOT = env.path("STATIC_ROOT", default="staticfiles")
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG
# What machines look for at a fixed address, such as /robots.txt. These names get no hash.
WHITENOISE_ROOT = BASE_DIR / "static" / "root"


def allow_other_origins(headers: Any, path: str, url: str) -> None:
    """Let pages use static files from STATIC_HOST, and measure how long they take."""
    headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    headers["Timing-Allow-Origin"] = "*"


WHITENOISE_ADD_HEADERS_FUNCTION = allow_other_origins

# Media files: made from visitors' uploads by profiles/pictures/pipeline/images.py.
MEDIA_URL = "/media/"
MEDIA_ROOT = env.path("MEDIA_ROOT", default="media")
MEDIA_DELIVERY = env.str("MEDIA_DELIVERY", default="app")
MEDIA_DELIVERY_CHOSEN = "MEDIA_DELIVERY" in env
# Whatever the umask: nginx, which is another user, reads all of it. Django's default is right for
# files, 0o644.
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o755
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    # The same folder, but these files are served only to those who may see the profile.
    "protected": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "config.static.StaticStorage"},
}
MEDIA_ORIGINS: list[str] = []
AWS_S3_CUSTOM_DOMAIN = env.str("AWS_S3_CUSTOM_DOMAIN", default="")
# Media files in a bucket. django-storages defines these names.
if AWS_STORAGE_BUCKET_NAME := env.str("AWS_STORAGE_BUCKET_NAME", default=""):
    MEDIA_DELIVERY, MEDIA_DELIVERY_CHOSEN = "bucket", True
    STORAGES["default"] = {"BACKEND": "profiles.pictures.storages.BucketStorage"}
    STORAGES["protected"] = {"BACKEND": "profiles.pictures.storages.ProtectedBucketStorage"}
    AWS_ACCESS_KEY_ID = env.str("AWS_ACCESS_KEY_ID", default=None)
    AWS_SECRET_ACCESS_KEY = env.str("AWS_SECRET_ACCESS_KEY", default=None)
    AWS_SESSION_TOKEN = env.str("AWS_SESSION_TOKEN", default=None)
    AWS_S3_REGION_NAME = env.str("AWS_S3_REGION_NAME", default="us-east-1")
    AWS_S3_ENDPOINT_URL = env.str(
        "AWS_S3_ENDPOINT_URL", default=f"https://s3.{AWS_S3_REGION_NAME}.amazonaws.com"
    ).rstrip("/")
    AWS_S3_SIGNATURE_VERSION = "s3v4"
    AWS_S3_ADDRESSING_STYLE = env.str("AWS_S3_ADDRESSING_STYLE", default="path")
    AWS_S3_URL_PROTOCOL = env.str("AWS_S3_URL_PROTOCOL", default="https:")
    MEDIA_ORIGINS = [AWS_S3_ENDPOINT_URL]
    if AWS_S3_ADDRESSING_STYLE == "virtual":
        MEDIA_ORIGINS = [AWS_S3_ENDPOINT_URL.replace("://", f"://{AWS_STORAGE_BUCKET_NAME}.")]
    if AWS_S3_CUSTOM_DOMAIN:
        MEDIA_ORIGINS += [f"{AWS_S3_URL_PROTOCOL}//{AWS_S3_CUSTOM_DOMAIN.partition('/')[0]}"]

# Content Security Policy (django-csp)
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, *([STATIC_HOST] if STATIC_HOST else [])],
        "style-src": [SELF, *([STATIC_HOST] if STATIC_HOST else [])],
        "img-src": [SELF, "blob:", *([STATIC_HOST] if STATIC_HOST else []), *MEDIA_ORIGINS],
        # The X-ray fetches the headers of each file on a page.
        "connect-src": [SELF, *([STATIC_HOST] if STATIC_HOST else []), *MEDIA_ORIGINS],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# Authentication
AUTH_USER_MODEL = "profiles.User"
PASSWORD_HASHERS = [
    "profiles.accounts.passwords.Argon2Hasher",
    # What earlier releases stored; each is replaced when its owner signs in.
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS: list[dict[str, Any]] = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},  # The list of breached ones has no shorter ones.
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "profiles.accounts.passwords.FirstGuessValidator"},
]
# Nobody joins as one of these, whatever digits, hyphens and underscores are added to it.
RESERVED_USERNAMES = {
    *"abuse account admin administrator official help info likeness me moderator mod".split(),
    *"noreply null postmaster root security staff superuser support system team webmaster".split(),
    *env.list("DJANGO_RESERVED_USERNAMES", default=[]),
}
# Whether the admin opens only to staff who have set up a second factor.
STAFF_SECOND_FACTOR = env.bool("DJANGO_STAFF_SECOND_FACTOR", default=False)
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "profiles:own"
LOGOUT_REDIRECT_URL = "home"

# Throttles (profiles/throttles.py): limits per hour, of codes per day; 0: no limit.
THROTTLES = {
    name: env.int(f"DJANGO_THROTTLE_{name.upper()}", default=number)
    for name, number in {
        "sign_in": 100,  # attempts from one address or IPv6 /64, with any name
        "sign_up": 20,  # from one address
        "mail": 20,  # mails requested by one address or one member
        "recipient": 5,  # mails to one mailbox, requested by anybody
        "reset": 5,  # of these, resets of a password: they are counted apart
        "upload": 60,  # pictures of one member
        "again": 20,  # wrong passwords of one member who is signed in
        "code": 20,  # wrong codes from an app, after the right password of one member
        "search": 2000,  # from one address, by people who have not signed in, in one worker
    }.items()
}
# Lock-out: so many wrong passwords within the period, for one user name from one address or IPv6
# /64, lock that pair for another period. A lock on the name alone would let anybody lock a member
# out. THROTTLES limit attempts with many names from one address.
LOCK_OUT_FAILURES = 5
LOCK_OUT_PERIOD = timedelta(minutes=15)

# Logging: JSON lines in production, plain lines in development.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "config.logs.RequestIdFilter"}},
    "formatters": {
        "plain": {"format": "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"},
        "json": {"()": "config.logs.Formatter"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "filters": ["request_id"],
            "formatter": "plain" if DEBUG else "json",
        }
    },
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        # Django's own handler would print each line again.
        "django": {"handlers": []},
        # `refuse_form` logs these, without what may be secret.
        "django.security.csrf": {"level": "CRITICAL"},
        # In a worker; config/gunicorn.conf.py formats the master's messages.
        "gunicorn.error": {"handlers": ["console"], "propagate": False},
        # runserver prints its own lines.
        "likeness.access": {"level": "WARNING" if DEBUG else "INFO"},
    },
}
