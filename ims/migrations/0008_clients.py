import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ims", "0007_partitions")]

    operations = [
        migrations.CreateModel(
            name="ClientDocument",
            fields=[
                (
                    "client",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="document",
                        serialize=False,
                        to=settings.OAUTH2_PROVIDER_APPLICATION_MODEL,
                    ),
                ),
                ("read_at", models.DateTimeField()),
                ("fresh_until", models.DateTimeField()),
                ("withdrawn_at", models.DateTimeField(blank=True, null=True)),
                ("problem", models.CharField(blank=True, max_length=256)),
            ],
        ),
        migrations.CreateModel(
            name="RegistrationPolicy",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=64, unique=True)),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("token", "Initial access tokens"),
                            ("open", "Anyone, without a token"),
                            ("document", "Client ID metadata documents"),
                        ],
                        default="token",
                        max_length=16,
                    ),
                ),
                (
                    "is_enabled",
                    models.BooleanField(
                        default=True,
                        help_text="Off: nobody new; clients that are here stay.",
                        verbose_name="enabled",
                    ),
                ),
                (
                    "allowed_grant_types",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=64),
                        blank=True,
                        default=list,
                        help_text="Empty: every one that the source may have.",
                        size=None,
                    ),
                ),
                (
                    "allowed_scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=128),
                        blank=True,
                        default=list,
                        help_text="Empty: every scope but the platform's own.",
                        size=None,
                    ),
                ),
                (
                    "allowed_auth_methods",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=32),
                        blank=True,
                        default=list,
                        help_text="Empty: every method.",
                        size=None,
                        verbose_name="allowed authentication methods",
                    ),
                ),
                (
                    "allowed_redirect_hosts",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=255),
                        blank=True,
                        default=list,
                        help_text=(
                            "app.example, or *.app.example for every host below it; a private"
                            " scheme stands for itself (com.example.app). Empty: every host."
                        ),
                        size=None,
                    ),
                ),
                (
                    "trusted_document_hosts",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=255),
                        blank=True,
                        default=list,
                        help_text=(
                            "Hosts whose metadata documents are read, as above. Empty: every"
                            " public host."
                        ),
                        size=None,
                    ),
                ),
                (
                    "refused_document_hosts",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=255),
                        blank=True,
                        default=list,
                        help_text="Hosts whose metadata documents are never read, as above.",
                        size=None,
                    ),
                ),
                (
                    "most_clients",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="How many of its clients may live. Empty: no limit.",
                        null=True,
                    ),
                ),
                (
                    "most_per_hour",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text=(
                            "New clients from one network address. Empty: no limit. Not for tokens."
                        ),
                        null=True,
                        verbose_name="most an hour",
                    ),
                ),
                (
                    "secret_lifetime_days",
                    models.PositiveIntegerField(
                        blank=True, help_text="Empty: secrets have no end.", null=True
                    ),
                ),
                (
                    "remove_unused_after_days",
                    models.PositiveIntegerField(
                        blank=True,
                        default=90,
                        help_text=(
                            "Contacts of clients that came with a token are warned by mail 14 days"
                            " before. Empty: never removed."
                        ),
                        null=True,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "verbose_name_plural": "registration policies",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("source", "token"), _negated=True),
                        fields=("source",),
                        name="ims_registration_policy_one_a_source",
                    )
                ],
            },
        ),
        migrations.RemoveField(model_name="client", name="cimd_expires_at"),
        migrations.AddField(
            model_name="client",
            name="last_used_at",
            # Nobody knows when the clients that are here were used: their patience begins now.
            field=models.DateTimeField(blank=True, null=True, default=django.utils.timezone.now),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="client",
            name="unused_warned_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="client",
            name="policy",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="ims.registrationpolicy",
            ),
        ),
        migrations.AddConstraint(
            model_name="client",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("registration_source", "cimd"), ("is_first_party", True), _negated=True
                ),
                name="ims_client_document_is_no_first_party",
            ),
        ),
        migrations.AddField(
            model_name="initialaccesstoken",
            name="policy",
            field=models.ForeignKey(
                blank=True,
                help_text="More bounds; what both allow is allowed.",
                limit_choices_to={"source": "token"},
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="initial_access_tokens",
                to="ims.registrationpolicy",
            ),
        ),
        migrations.AddField(
            model_name="protectedresource",
            name="description",
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name="protectedresource",
            name="documentation_url",
            field=models.CharField(blank=True, max_length=512, verbose_name="documentation URL"),
        ),
    ]
