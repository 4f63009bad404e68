from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notifications", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="announcement",
            name="edited_by",
            field=models.JSONField(default=list, editable=False, verbose_name="written by"),
        ),
    ]
