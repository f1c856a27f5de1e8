from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("ims", "0008_clients")]

    operations = []
