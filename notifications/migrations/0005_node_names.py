from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("notifications", "0004_node_report")]

    operations = [
        migrations.AlterModelOptions(
            name="nodereport", options={"verbose_name": "node", "verbose_name_plural": "nodes"}
        ),
    ]
