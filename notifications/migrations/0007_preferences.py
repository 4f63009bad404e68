from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notifications", "0006_announcement_audience")]

    operations = [
        migrations.CreateModel(
            name="Preferences",
            fields=[
                ("uid", models.CharField(max_length=255, primary_key=True, serialize=False, verbose_name="uid")),
                ("quiet_from", models.TimeField(null=True, verbose_name="quiet from")),
                ("quiet_to", models.TimeField(null=True, verbose_name="quiet to")),
                (
                    "time_zone",
                    models.CharField(blank=True, default="", max_length=64, verbose_name="time zone"),
                ),
                ("sound", models.BooleanField(null=True, verbose_name="sound")),
                (
                    "muted_kinds",
                    models.JSONField(blank=True, default=list, verbose_name="kinds that do not pop up"),
                ),
                ("changed_at", models.DateTimeField(verbose_name="changed")),
            ],
            options={"verbose_name": "preferences", "verbose_name_plural": "preferences"},
        ),
    ]
