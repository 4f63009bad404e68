import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notifications", "0003_drain")]

    operations = [
        migrations.CreateModel(
            name="NodeReport",
            fields=[
                ("name", models.CharField(max_length=300, primary_key=True, serialize=False)),
                ("host", models.CharField(max_length=255)),
                ("pid", models.PositiveIntegerField()),
                ("started_at", models.DateTimeField()),
                ("sockets", models.PositiveIntegerField(default=0)),
                ("users", models.PositiveIntegerField(default=0)),
                ("pushes", models.PositiveBigIntegerField(default=0)),
                ("tail_age", models.FloatField(default=0.0)),
                ("draining", models.BooleanField(default=False)),
                (
                    "changed_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
            ],
        ),
    ]
