"""The URLs of accounts: views of our own, and Django's where they do the job."""

from django.contrib.auth import views as auth_views
from django.urls import path

from ..throttles import limit_sign_ins
from . import security, session_views, signing_in, views

urlpatterns = [
    path("", security.account, name="account"),
    path("signup/", views.signup, name="signup"),
    path("confirm/<str:token>/", views.confirm, name="confirm"),
    path("undo/<str:token>/", views.undo, name="undo"),
    path("email/cancel/", views.cancel_email, name="cancel-email"),
    path("email/", limit_sign_ins(views.change_email), name="account-email"),
    path("delete/", limit_sign_ins(views.delete), name="account-delete"),
    path("export/", views.export, name="account-export"),
    path("login/", limit_sign_ins(signing_in.LoginView.as_view()), name="login"),
    path("login/second/", limit_sign_ins(signing_in.second_step), name="second-step"),
    path("login/passkey/", limit_sign_ins(signing_in.passkey_sign_in), name="passkey-sign-in"),
    path(
        "login/passkey/options/",
        limit_sign_ins(signing_in.passkey_options),
        {"anybody": True},
        name="passkey-sign-in-options",
    ),
    path("again/", limit_sign_ins(signing_in.ask_again), name="ask-again"),
    path("again/options/", limit_sign_ins(signing_in.passkey_options), name="passkey-options"),
    path("app/", security.add_app, name="app"),
    path("app/remove/", security.remove_factor, name="app-remove"),
    path("codes/", security.codes, name="recovery-codes"),
    path("passkeys/add/", security.add_passkey, name="passkey-add"),
    path("passkeys/add/options/", security.create_options, name="passkey-create-options"),
    path("passkeys/<int:pk>/remove/", security.remove_factor, name="passkey-remove"),
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
