from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("profiles", "0015_index_names"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="user",
            index=models.Index(condition=models.Q(("is_staff", True)), fields=["id"], name="staff_user"),
        ),
    ]
