import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class AlterAdminField(migrations.AlterField):
    """Alters a field of Django's admin, as config/apps.py does in Python."""

    def state_forwards(self, app_label, state):
        super().state_forwards("admin", state)

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        super().database_forwards("admin", schema_editor, from_state, to_state)


class Migration(migrations.Migration):

    dependencies = [
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("profiles", "0012_validate_texts"),
    ]

    operations = [
        AlterAdminField(
            model_name="logentry",
            name="user",
            field=models.ForeignKey(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                to=settings.AUTH_USER_MODEL,
                verbose_name="user",
            ),
        ),
    ]
