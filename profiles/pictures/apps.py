"""The app's place in Django, whatever folder it was copied to."""

from django.apps import AppConfig


class PicturesConfig(AppConfig):
    name = __package__
    default_auto_field = "django.db.models.BigAutoField"
