"""The URLs of the site."""

from django.conf import settings
from django.conf.urls.static import static
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from profiles import views
from profiles.accounts.session_views import LogoutView
from profiles.lesson import stations, steps, symptoms

from .machines import security_txt
from .views import preferences, signed_in, xray

handler400 = "config.views.bad_request"
handler500 = "config.middleware.server_error"
urlpatterns = [
    path("", views.home, name="home"),
    path("how-it-works/", stations.how_it_works, name="how-it-works"),
    path("how-it-works/steps/", steps.four_steps, name="steps"),
    path("how-it-works/symptoms/", symptoms.by_symptom, name="symptoms"),
    # Before the other pages: each of them has many pictures.
    # In development Django serves the public pictures; with DEBUG off this line does nothing.
    # Only `avatars/`, so that no path leads to the protected pictures.
    *static(f"{settings.MEDIA_URL}avatars/", document_root=settings.MEDIA_ROOT / "avatars"),
    path("media/", include("profiles.pictures.urls")),
    path("", include("profiles.urls")),
    path("accounts/", include("profiles.accounts.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("preferences/", preferences, name="preferences"),
    path("x-ray/", xray, name="xray"),
    path(".well-known/change-password", RedirectView.as_view(pattern_name="password_change")),
    path(".well-known/security.txt", security_txt),
    path("signed-in/", signed_in),
    path("signed-in/staff/", signed_in, {"staff": True}),
    path("admin/logout/", LogoutView.as_view()),
    path("admin/password_change/", RedirectView.as_view(pattern_name="password_change")),
    path("admin/", admin.site.urls),
]
