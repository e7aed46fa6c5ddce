from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('profiles', '0013_keep_log_of_deleted_staff'),
    ]

    operations = [
        migrations.AddField(
            model_name='attempts',
            name='limit',
            field=models.PositiveIntegerField(db_default=0),
        ),
    ]
