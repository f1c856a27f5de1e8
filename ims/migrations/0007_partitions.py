import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import wire.uuid7

# Each table becomes one that is partitioned by `expires_at`, with a partition for whatever has no
# other. `ims.services.maintain_partitions` adds the partitions of the coming hours, days or weeks
# and moves the rows there. Foreign keys of the database go (ADR-0012), and with them the indexes
# that nobody reads.
CONVERT = """
ALTER TABLE {table} RENAME TO {table}_before;
CREATE TABLE {table} (LIKE {table}_before INCLUDING DEFAULTS INCLUDING STORAGE)
    PARTITION BY RANGE (expires_at);
CREATE TABLE {table}_default PARTITION OF {table} DEFAULT;
INSERT INTO {table} SELECT * FROM {table}_before WHERE expires_at > now() - interval '{kept}';
DROP TABLE {table}_before;
ALTER TABLE {table} ADD PRIMARY KEY (digest, expires_at);
"""
INDEXES = """
CREATE INDEX ims_accesstoken_client ON ims_accesstoken (client_id);
CREATE INDEX ims_accesstoken_grant ON ims_accesstoken (grant_id) WHERE grant_id IS NOT NULL;
CREATE INDEX ims_accesstoken_parent ON ims_accesstoken (parent_digest)
    WHERE parent_digest IS NOT NULL;
CREATE INDEX ims_refreshtoken_grant ON ims_refreshtoken (grant_id);
CREATE INDEX ims_authorizationcode_grant ON ims_authorizationcode (grant_id);
"""


def reference(to, **options):
    return models.ForeignKey(
        to=to,
        on_delete=django.db.models.deletion.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        **options,
    )


CLIENT = settings.OAUTH2_PROVIDER_APPLICATION_MODEL


class Migration(migrations.Migration):
    dependencies = [("ims", "0006_keys_and_claims")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(CONVERT.format(table="ims_accesstoken", kept="0")),
                migrations.RunSQL(CONVERT.format(table="ims_refreshtoken", kept="0")),
                migrations.RunSQL(CONVERT.format(table="ims_authorizationcode", kept="1 day")),
                migrations.RunSQL(INDEXES),
            ],
            state_operations=[
                migrations.AlterField("accesstoken", "client", reference(CLIENT)),
                migrations.AlterField(
                    "accesstoken", "grant", reference("ims.grant", null=True, blank=True)
                ),
                migrations.AlterField(
                    "accesstoken",
                    "user",
                    reference(settings.AUTH_USER_MODEL, null=True, blank=True),
                ),
                migrations.AlterField(
                    "accesstoken", "id", models.UUIDField(default=wire.uuid7.uuid7)
                ),
                migrations.AlterField("accesstoken", "expires_at", models.DateTimeField()),
                migrations.AlterField("refreshtoken", "client", reference(CLIENT)),
                migrations.AlterField("refreshtoken", "grant", reference("ims.grant")),
                migrations.AlterField("refreshtoken", "expires_at", models.DateTimeField()),
                migrations.AlterField("authorizationcode", "client", reference(CLIENT)),
                migrations.AlterField("authorizationcode", "grant", reference("ims.grant")),
                migrations.AddIndex(
                    "accesstoken", models.Index(fields=["client"], name="ims_accesstoken_client")
                ),
                migrations.AddIndex(
                    "accesstoken",
                    models.Index(
                        fields=["parent_digest"],
                        name="ims_accesstoken_parent",
                        condition=models.Q(("parent_digest__isnull", False)),
                    ),
                ),
                migrations.AddIndex(
                    "accesstoken",
                    models.Index(
                        fields=["grant"],
                        name="ims_accesstoken_grant",
                        condition=models.Q(("grant__isnull", False)),
                    ),
                ),
                migrations.AddIndex(
                    "refreshtoken", models.Index(fields=["grant"], name="ims_refreshtoken_grant")
                ),
                migrations.AddIndex(
                    "authorizationcode",
                    models.Index(fields=["grant"], name="ims_authorizationcode_grant"),
                ),
            ],
        ),
    ]
