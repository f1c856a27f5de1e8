from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("ims", "0006_keys_and_claims")]

    operations = []
