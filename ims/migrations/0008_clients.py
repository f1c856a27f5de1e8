from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("ims", "0007_partitions")]

    operations = []
