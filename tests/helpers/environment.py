"""The environment of the tests, set before Django reads its settings (see pyproject.toml).

Nothing of the developer's gets in, neither variables nor `.env`; but `DATABASE_URL` may name a
database to test with.
"""

import os

for name in list(os.environ):
    if name == "HOST" or name.startswith(
        ("DJANGO_", "MEDIA_", "STATIC_", "EMAIL_", "FORWARDED_", "AWS_", "METRICS_")
    ):
        del os.environ[name]
os.environ |= {
    "DJANGO_DOTENV": "",
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "DJANGO_SECRET_KEY": "of the tests, and longer than fifty characters, as Django asks",
    "DJANGO_ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
    "DJANGO_HTTPS": "off",
    "MEDIA_DELIVERY": "app",
    "EMAIL_URL": "memorymail://",
}
