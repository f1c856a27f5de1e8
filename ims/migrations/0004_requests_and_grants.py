from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ims", "0003_tokens_bound_to_keys_and_actors")]

    operations = [
        migrations.AddField(
            model_name="grant",
            name="requested_claims",
            field=models.JSONField(blank=True, default=dict),
        ),
        migrations.AddField(
            model_name="refreshtoken",
            name="successor_salt",
            field=models.BinaryField(blank=True, max_length=32, null=True),
        ),
    ]
