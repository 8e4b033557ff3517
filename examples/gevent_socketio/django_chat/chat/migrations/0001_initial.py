from django.db import migrations, models


def make_lobby(apps, schema_editor):
    apps.get_model("chat", "Room").objects.create(name="lobby")


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Room",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=40, unique=True)),
            ],
        ),
        migrations.RunPython(make_lobby, migrations.RunPython.noop),
    ]
