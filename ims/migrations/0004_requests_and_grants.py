import django.contrib.postgres.fields
import django.db.models.deletion
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
        migrations.CreateModel(
            name="DeviceAuthorization",
            fields=[
                (
                    "digest",
                    models.BinaryField(max_length=32, primary_key=True, serialize=False),
                ),
                ("user_code_digest", models.BinaryField(max_length=32, unique=True)),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=128), default=list, size=None
                    ),
                ),
                (
                    "resources",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=512),
                        blank=True,
                        default=list,
                        size=None,
                    ),
                ),
                ("denied_at", models.DateTimeField(blank=True, null=True)),
                ("interval_seconds", models.PositiveSmallIntegerField()),
                ("polled_at", models.DateTimeField(blank=True, null=True)),
                ("expires_at", models.DateTimeField(db_index=True)),
                ("used_at", models.DateTimeField(blank=True, null=True)),
                (
                    "client",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to="ims.client"
                    ),
                ),
                (
                    "grant",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="ims.grant",
                    ),
                ),
            ],
        ),
    ]
