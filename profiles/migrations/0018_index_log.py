from django.db import migrations, models


class AddAdminIndex(migrations.AddIndex):
    """Adds an index to a table of Django's admin, as config/apps.py does in Python."""

    def state_forwards(self, app_label, state):
        super().state_forwards("admin", state)

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        super().database_forwards("admin", schema_editor, from_state, to_state)

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        super().database_backwards("admin", schema_editor, from_state, to_state)


class Migration(migrations.Migration):

    dependencies = [
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("profiles", "0017_index_visibility"),
    ]

    operations = [
        AddAdminIndex("logentry", models.Index(fields=["content_type", "object_id"], name="log_of_object")),
        AddAdminIndex("logentry", models.Index(fields=["user", "action_time"], name="log_of_user")),
    ]
