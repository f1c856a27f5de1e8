import django.contrib.postgres.indexes
import django.db.models.functions.datetime
from django.db import migrations, models

import ims.models.audit

# Append-only holds against the application's own role. TRUNCATE has a trigger of its own, which
# the test database switches off: emptying tables is how tests clean up.
APPEND_ONLY = """
CREATE FUNCTION ims_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER ims_audit_no_change BEFORE UPDATE OR DELETE ON ims_auditevent
    FOR EACH STATEMENT EXECUTE FUNCTION ims_audit_is_append_only();
CREATE TRIGGER ims_audit_no_truncate BEFORE TRUNCATE ON ims_auditevent
    FOR EACH STATEMENT EXECUTE FUNCTION ims_audit_is_append_only();
CREATE TRIGGER ims_audit_no_change BEFORE UPDATE OR DELETE ON ims_auditseal
    FOR EACH STATEMENT EXECUTE FUNCTION ims_audit_is_append_only();
CREATE TRIGGER ims_audit_no_truncate BEFORE TRUNCATE ON ims_auditseal
    FOR EACH STATEMENT EXECUTE FUNCTION ims_audit_is_append_only();
"""
NO_LONGER = """
DROP TRIGGER ims_audit_no_change ON ims_auditevent;
DROP TRIGGER ims_audit_no_truncate ON ims_auditevent;
DROP TRIGGER ims_audit_no_change ON ims_auditseal;
DROP TRIGGER ims_audit_no_truncate ON ims_auditseal;
DROP FUNCTION ims_audit_is_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("ims", "0008_clients")]

    operations = [
        migrations.CreateModel(
            name='AuditSeal',
            fields=[
                ('number', models.BigIntegerField(primary_key=True, serialize=False)),
                ('sealed_at', models.DateTimeField()),
                ('above_id', models.BigIntegerField()),
                ('last_transaction_id', models.BigIntegerField()),
                ('last_id', models.BigIntegerField()),
                ('event_count', models.IntegerField()),
                ('hash', models.BinaryField(max_length=32)),
                ('mac', models.BinaryField(max_length=32)),
            ],
            options={
                'verbose_name': 'audit seal',
            },
        ),
        migrations.CreateModel(
            name='AuditEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('transaction_id', models.BigIntegerField(db_default=ims.models.audit.CurrentTransaction(), editable=False)),
                ('occurred_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('event', models.CharField(max_length=48)),
                ('outcome', models.CharField(max_length=8)),
                ('reason', models.CharField(blank=True, max_length=64)),
                ('client_id', models.TextField(blank=True)),
                ('subject', models.CharField(blank=True, max_length=64)),
                ('actor', models.CharField(blank=True, max_length=150)),
                ('address', models.GenericIPAddressField(blank=True, null=True)),
                ('user_agent', models.CharField(blank=True, max_length=200)),
                ('request_id', models.CharField(blank=True, max_length=64)),
                ('detail', models.JSONField(blank=True, default=dict)),
            ],
            options={
                'verbose_name': 'audit event',
                'indexes': [django.contrib.postgres.indexes.BrinIndex(fields=['occurred_at'], name='ims_audit_occurred_at'), django.contrib.postgres.indexes.BrinIndex(fields=['transaction_id'], name='ims_audit_transaction'), models.Index(fields=['client_id', 'id'], name='ims_audit_client'), models.Index(condition=models.Q(('subject', ''), _negated=True), fields=['subject', 'id'], name='ims_audit_subject')],
            },
        ),
        migrations.RunSQL(APPEND_ONLY, NO_LONGER),
    ]
