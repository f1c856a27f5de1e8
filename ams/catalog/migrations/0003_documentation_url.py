from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0002_api_names")]

    operations = [
        migrations.AddField(
            model_name="api",
            name="documentation_url",
            field=models.URLField(
                blank=True, help_text="For developers, outside the portal.", max_length=512
            ),
        ),
    ]
