from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [
        ("pictures", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="journalentry",
            name="made",
            field=models.DateTimeField(db_default=Now()),
        ),
    ]
