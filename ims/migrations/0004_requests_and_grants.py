from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("ims", "0003_tokens_bound_to_keys_and_actors")]

    operations = []
