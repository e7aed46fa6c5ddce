"""The admin, with the site's own door."""

from django.contrib.admin import apps


class AdminConfig(apps.AdminConfig):
    default_site = "config.admin.AdminSite"
