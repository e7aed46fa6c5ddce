from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("pictures", "0003_last_runs"),
    ]

    operations = [
        migrations.CreateModel(
            name="Progress",
            fields=[
                ("name", models.CharField(max_length=300, primary_key=True, serialize=False)),
                ("options", models.JSONField()),
                ("position", models.JSONField()),
                ("counts", models.JSONField()),
                ("changed", models.DateTimeField()),
            ],
        ),
    ]
