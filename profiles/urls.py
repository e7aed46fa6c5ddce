"""The addresses of people and their pictures."""

from django.urls import path

from . import views

app_name = "profiles"
urlpatterns = [
    path("profiles/", views.profile_list, name="list"),
    path("profiles/<slug:username>/", views.profile_detail, name="detail"),
    path("profile/", views.own_profile, name="own"),
    path("profile/edit/", views.profile_edit, name="edit"),
    path("profile/avatar/", views.avatar_edit, name="avatar"),
    path("profile/avatar/delete/", views.avatar_delete, name="avatar-delete"),
]
