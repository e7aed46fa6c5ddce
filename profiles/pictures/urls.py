"""The addresses of media files, to be included below `MEDIA_URL`."""

from django.urls import re_path

from .delivery import NAME, media

urlpatterns = [re_path(rf"^(?P<name>{NAME})$", media, name="media")]
