from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("notifications", "0007_preferences")]

    operations = [
        migrations.RemoveIndex(model_name="notification", name="notif_unread"),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(
                fields=["uid", "id", "expires_at"],
                name="notif_unread",
                condition=Q(read_at__isnull=True, retracted_at__isnull=True),
            ),
        ),
        migrations.RemoveIndex(model_name="announcement", name="announce_open"),
        migrations.AddIndex(model_name="announcement", index=models.Index(fields=["ends_at"], name="announce_ends")),
    ]
