"""The URLs of accounts: views of our own, and Django's where they do the job."""

from django.contrib.auth import views as auth_views
from django.urls import path

from ..throttles import limit_sign_ins
from . import session_views, views

urlpatterns = [
    path("signup/", views.signup, name="signup"),
    path("confirm/<str:token>/", views.confirm, name="confirm"),
    path("undo/<str:token>/", views.undo, name="undo"),
    path("email/cancel/", views.cancel_email, name="cancel-email"),
    path("email/", limit_sign_ins(views.change_email), name="account-email"),
    path("delete/", limit_sign_ins(views.delete), name="account-delete"),
    path("export/", views.export, name="account-export"),
    path("login/", limit_sign_ins(views.LoginView.as_view()), name="login"),
    path("logout/", session_views.LogoutView.as_view(), name="logout"),
    path("sessions/", session_views.sessions, name="account-sessions"),
    path("sessions/<str:name>/end/", limit_sign_ins(session_views.end), name="account-session-end"),
    path(
        "password_change/",
        limit_sign_ins(views.PasswordChangeView.as_view()),
        name="password_change",
    ),
    path(
        "password_change/done/",
        auth_views.PasswordChangeDoneView.as_view(),
        name="password_change_done",
    ),
    path("password_reset/", views.PasswordResetView.as_view(), name="password_reset"),
    path(
        "password_reset/done/",
        auth_views.PasswordResetDoneView.as_view(),
        name="password_reset_done",
    ),
    path(
        "reset/<uidb64>/<token>/",
        views.PasswordResetConfirmView.as_view(),
        name="password_reset_confirm",
    ),
    path(
        "reset/done/",
        auth_views.PasswordResetCompleteView.as_view(),
        name="password_reset_complete",
    ),
]
