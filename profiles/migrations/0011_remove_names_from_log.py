from django.db import migrations
from django.db.models import CharField, Value
from django.db.models.functions import Concat


def remove_names(apps, schema_editor):
    """Remove the names of accounts and profiles from the admin's log, where they outlive them."""
    LogEntry = apps.get_model("admin", "LogEntry")
    entries = LogEntry.objects.using(schema_editor.connection.alias).filter(
        content_type__app_label="profiles", content_type__model__in=["user", "profile"]
    )
    entries.update(object_repr=Concat(Value("#"), "object_id", output_field=CharField()))


class Migration(migrations.Migration):

    dependencies = [
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("profiles", "0010_recovery_codes"),
    ]

    operations = [migrations.RunPython(remove_names, migrations.RunPython.noop)]
