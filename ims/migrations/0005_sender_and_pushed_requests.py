from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("ims", "0004_requests_and_grants")]

    operations = []
