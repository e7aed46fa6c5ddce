from datetime import timedelta

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.db import migrations
from django.utils import timezone

BATCH = 2000
AGE = timedelta(days=14)  # As old sessions were given when they were last written.


def copy(apps, schema_editor):
    """Copy the sessions of members from Django's table, so that they stay signed in.

    Only those of the current password: others have ended, but would be listed.
    """
    alias = schema_editor.connection.alias
    OldSession = apps.get_model("sessions", "Session")
    old = OldSession.objects.using(alias).filter(expire_date__gt=timezone.now())
    batch = []
    for row in old.iterator(chunk_size=BATCH):
        batch.append(row)
        if len(batch) == BATCH:
            write(apps, alias, batch)
            batch = []
    write(apps, alias, batch)


def write(apps, alias, rows):
    User, Session = apps.get_model("profiles", "User"), apps.get_model("profiles", "Session")
    decoded = [(row, SessionStore().decode(row.session_data)) for row in rows]
    signed_in = [(row, data) for row, data in decoded if str(data.get(SESSION_KEY, "")).isdecimal()]
    users = User.objects.using(alias).only("password")
    users = users.in_bulk({int(data[SESSION_KEY]) for _, data in signed_in})
    sessions = []
    for row, data in signed_in:
        user, begun = users.get(int(data[SESSION_KEY])), row.expire_date - AGE
        if not user or make_hash(user.password) != data.get(HASH_SESSION_KEY):
            continue
        data["sign_in"] = {"browser": "", "network": "", "begun": begun.isoformat()}
        sessions.append(
            Session(
                session_key=row.session_key,
                session_data=SessionStore().encode(data),
                expire_date=row.expire_date,
                user=user,
                begun=begun,
                seen=begun,
            )
        )
    Session.objects.using(alias).bulk_create(sessions, ignore_conflicts=True)


def make_hash(password):
    """Return what a session has of a password; the models of migrations have no such method."""
    return get_user_model()(password=password).get_session_auth_hash()


class Migration(migrations.Migration):
    # Django's table stays as it is: the version before this one uses it until it is replaced.

    dependencies = [
        ('profiles', '0006_sessions'),
        ('sessions', '0001_initial'),
    ]

    operations = [
        migrations.RunPython(copy, migrations.RunPython.noop),
    ]
