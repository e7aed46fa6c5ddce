from django.contrib.auth.models import User
from django.db import models
from django.db.models import CASCADE, OneToOneField


class Profile(models.Model):
    user = OneToOneField(User, on_delete=CASCADE)
    avatar = models.ImageField(upload_to='avatars/')  # fmt: skip
