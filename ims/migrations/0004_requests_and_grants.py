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
            model_name="grant",
            name="may_act",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=255), blank=True, null=True, size=None
            ),
        ),
        migrations.AddField(
            model_name="accesstoken",
            name="parent_digest",
            field=models.BinaryField(blank=True, max_length=32, null=True),
        ),
        migrations.AddField(
            model_name="accesstoken",
            name="subject",
            field=models.CharField(blank=True, db_default="", default="", max_length=255),
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
        migrations.CreateModel(
            name="TokenExchangePolicy",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("label", models.CharField(blank=True, max_length=64)),
                (
                    "may_impersonate",
                    models.BooleanField(
                        default=False,
                        help_text="Tokens that say nothing of the acting client but its client_id.",
                    ),
                ),
                (
                    "may_delegate",
                    models.BooleanField(
                        default=False,
                        help_text="Tokens whose act claim names who acts for the subject.",
                    ),
                ),
                (
                    "resources",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=512),
                        blank=True,
                        default=list,
                        help_text="APIs that exchanged tokens may be for. Empty: none.",
                        size=None,
                    ),
                ),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=128),
                        blank=True,
                        default=list,
                        help_text="Scopes that exchanged tokens may carry. Empty: none.",
                        size=None,
                    ),
                ),
                (
                    "client",
                    models.ForeignKey(
                        help_text="The client that exchanges tokens.",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="token_exchange_policies",
                        to="ims.client",
                        verbose_name="acting client",
                    ),
                ),
                (
                    "subject_clients",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Whose tokens may be exchanged. Empty: nobody's.",
                        related_name="+",
                        to="ims.client",
                    ),
                ),
            ],
            options={"verbose_name_plural": "token exchange policies"},
        ),
    ]
