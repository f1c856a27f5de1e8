# Several rate limits and quotas a plan; those that are there become the first of each.
import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


def move_limits(apps, schema_editor):
    Plan = apps.get_model("plans", "Plan")
    RateLimit = apps.get_model("plans", "RateLimit")
    Quota = apps.get_model("plans", "Quota")
    for plan in Plan.objects.exclude(rate_limit_calls=None):
        RateLimit.objects.create(
            plan=plan,
            calls=plan.rate_limit_calls,
            window_seconds=plan.rate_limit_window_seconds,
            burst=plan.rate_limit_burst,
        )
    for plan in Plan.objects.exclude(quota_calls=None):
        Quota.objects.create(
            plan=plan,
            calls=plan.quota_calls,
            period=plan.quota_period,
            overage=plan.quota_overage,
        )


class Migration(migrations.Migration):

    dependencies = [
        ('plans', '0002_billable_rule'),
    ]

    operations = [
        migrations.CreateModel(
            name='Quota',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.PositiveSmallIntegerField(default=0)),
                ('name', models.SlugField(default='quota', help_text='Clients see it in RateLimit-Policy.')),
                ('calls', models.PositiveBigIntegerField()),
                ('period', models.CharField(choices=[('minute', 'Minute'), ('hour', 'Hour'), ('day', 'Day'), ('week', 'Week'), ('month', 'Month'), ('year', 'Year')], default='month', max_length=8)),
                ('overage', models.CharField(choices=[('block', 'Block'), ('throttle', 'Throttle'), ('bill', 'Bill')], default='block', max_length=8)),
                ('throttle_calls', models.PositiveIntegerField(blank=True, null=True)),
                ('throttle_window_seconds', models.PositiveIntegerField(blank=True, null=True)),
                ('plan', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='quotas', to='plans.plan')),
            ],
            options={
                'ordering': ['position', 'id'],
                'constraints': [models.UniqueConstraint(fields=('plan', 'name'), name='plans_quota_name_unique')],
            },
        ),
        migrations.CreateModel(
            name='RateLimit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.PositiveSmallIntegerField(default=0)),
                ('name', models.SlugField(default='rate', help_text='Clients see it in RateLimit-Policy.')),
                ('calls', models.PositiveIntegerField()),
                ('window_seconds', models.PositiveIntegerField(default=60)),
                ('burst', models.PositiveIntegerField(blank=True, help_text='Empty: all at once.', null=True)),
                ('per', models.CharField(choices=[('subscription', 'Subscription'), ('client', 'Client'), ('user', 'User'), ('address', 'Address')], default='subscription', max_length=16)),
                ('each_operation', models.BooleanField(default=False)),
                ('operations', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=180), blank=True, default=list, size=None)),
                ('plan', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='rate_limits', to='plans.plan')),
            ],
            options={
                'ordering': ['position', 'id'],
                'constraints': [models.UniqueConstraint(fields=('plan', 'name'), name='plans_rate_limit_name_unique')],
            },
        ),
        # PostgreSQL alters no table that has pending trigger events of the same transaction:
        # the new rows' foreign keys are checked first.
        migrations.RunPython(move_limits, migrations.RunPython.noop),
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", migrations.RunSQL.noop),
        migrations.RunSQL("SET CONSTRAINTS ALL DEFERRED", migrations.RunSQL.noop),
        migrations.RemoveField(model_name='plan', name='quota_calls'),
        migrations.RemoveField(model_name='plan', name='quota_overage'),
        migrations.RemoveField(model_name='plan', name='quota_period'),
        migrations.RemoveField(model_name='plan', name='rate_limit_burst'),
        migrations.RemoveField(model_name='plan', name='rate_limit_calls'),
        migrations.RemoveField(model_name='plan', name='rate_limit_window_seconds'),
    ]
