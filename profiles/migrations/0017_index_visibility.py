from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("profiles", "0016_index_staff"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="profile",
            index=models.Index(condition=models.Q(("visibility", "members")), fields=["id"], name="members_profile"),
        ),
        migrations.AddIndex(
            model_name="profile",
            index=models.Index(condition=models.Q(("visibility", "private")), fields=["id"], name="private_profile"),
        ),
    ]
