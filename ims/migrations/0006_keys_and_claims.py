import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ims", "0005_sender_and_pushed_requests")]

    operations = [
        migrations.AddField(
            model_name="signingkey",
            name="compromised_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="revocationevent",
            name="is_flush",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="protectedresource",
            name="jwt_signing_alg",
            field=models.CharField(
                choices=[
                    ("ES256", "ES256"),
                    ("RS256", "RS256"),
                    ("PS256", "PS256"),
                    ("EdDSA", "EdDSA"),
                ],
                default="ES256",
                max_length=8,
                verbose_name="JWT signature",
            ),
        ),
        migrations.AddField(
            model_name="protectedresource",
            name="jwt_encryption_alg",
            field=models.CharField(
                blank=True,
                choices=[
                    ("ECDH-ES", "ECDH-ES"),
                    ("ECDH-ES+A256KW", "ECDH-ES+A256KW"),
                    ("RSA-OAEP-256", "RSA-OAEP-256"),
                ],
                help_text="Empty: signed only. Content is encrypted with A256GCM.",
                max_length=16,
                verbose_name="JWT encryption",
            ),
        ),
        migrations.AddField(
            model_name="protectedresource",
            name="jwks",
            field=models.JSONField(blank=True, null=True, verbose_name="JWKS"),
        ),
        migrations.AddField(
            model_name="protectedresource",
            name="jwks_uri",
            field=models.CharField(
                blank=True,
                help_text="https only; read now and every hour, never while a token is introspected.",
                max_length=512,
                verbose_name="JWKS address",
            ),
        ),
        migrations.AddField(
            model_name="protectedresource",
            name="jwks_read_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="JWKS read at"),
        ),
        migrations.CreateModel(
            name="ClaimMapping",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("source", models.CharField(max_length=32)),
                ("claim", models.CharField(max_length=128)),
                (
                    "protected_resource",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="claim_mappings",
                        to="ims.protectedresource",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("protected_resource", "claim"), name="ims_claim_mapping_unique"
                    )
                ],
            },
        ),
    ]
