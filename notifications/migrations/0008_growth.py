from typing import Any

from django.db import migrations, models
from django.db.models import Q


class AddIndexBesideWrites(migrations.AddIndex):
    """Adds an index while the table is read and written, however long that takes: PostgreSQL's CONCURRENTLY.

    Elsewhere a plain one. `django.contrib.postgres` has the like, but needs psycopg to be imported.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Build it; what an attempt that was broken off has left goes first."""
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.model_name)
        # The application's limits are for its own queries.
        for limit in ("statement_timeout", "lock_timeout"):
            schema_editor.execute(f"SET {limit} TO 0")
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(self.index.name)}")
        schema_editor.add_index(model, self.index, concurrently=True)
        for limit in ("statement_timeout", "lock_timeout"):
            schema_editor.execute(f"SET {limit} TO DEFAULT")


class Migration(migrations.Migration):
    # CONCURRENTLY is not for transactions. The new indexes stand before the old ones go.
    atomic = False

    dependencies = [("notifications", "0007_preferences")]

    operations = [
        AddIndexBesideWrites(
            model_name="notification",
            index=models.Index(
                fields=["uid", "id", "expires_at"],
                name="notif_unread_ids",
                condition=Q(read_at__isnull=True, retracted_at__isnull=True),
            ),
        ),
        migrations.RemoveIndex(model_name="notification", name="notif_unread"),
        AddIndexBesideWrites(model_name="announcement", index=models.Index(fields=["ends_at"], name="announce_ends")),
        migrations.RemoveIndex(model_name="announcement", name="announce_open"),
    ]
