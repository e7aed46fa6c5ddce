from django.db import migrations, models


class Migration(migrations.Migration):
    # Apart from 0002: one transaction that locks both tables deadlocks with sign-ups on PostgreSQL.

    dependencies = [
        ('profiles', '0002_index_misplaced_pictures'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='user',
            index=models.Index(condition=models.Q(('is_active', False)), fields=['id'], name='inactive_user'),
        ),
    ]
