from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("ims", "0005_sender_and_pushed_requests")]

    operations = []
