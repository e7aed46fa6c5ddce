import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("pictures", "0002_journal_made"),
    ]

    operations = [
        migrations.CreateModel(
            name="LastRun",
            fields=[
                ("name", models.CharField(max_length=20, primary_key=True, serialize=False)),
                ("finished", models.DateTimeField(default=django.utils.timezone.now)),
                ("missing", models.PositiveIntegerField(default=0)),
                ("damaged", models.PositiveIntegerField(default=0)),
                ("misplaced", models.PositiveIntegerField(default=0)),
            ],
        ),
    ]
