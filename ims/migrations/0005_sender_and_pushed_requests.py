import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ims", "0004_requests_and_grants")]

    operations = [
        migrations.AlterField(
            model_name="client",
            name="token_endpoint_auth_method",
            field=models.CharField(
                choices=[
                    ("client_secret_basic", "Basic"),
                    ("client_secret_post", "Post"),
                    ("private_key_jwt", "Private Key Jwt"),
                    ("none", "None"),
                ],
                default="client_secret_basic",
                max_length=32,
            ),
        ),
        migrations.CreateModel(
            name="PushedAuthorizationRequest",
            fields=[
                ("digest", models.BinaryField(max_length=32, primary_key=True, serialize=False)),
                ("parameters", models.JSONField()),
                ("expires_at", models.DateTimeField(db_index=True)),
                ("used_at", models.DateTimeField(blank=True, null=True)),
                (
                    "client",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        to=settings.OAUTH2_PROVIDER_APPLICATION_MODEL,
                    ),
                ),
            ],
        ),
    ]
