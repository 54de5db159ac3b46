"""Daybook for Django: people sign in by Daybook, models are read from its PostgreSQL and written by its commands.

Settings:

    INSTALLED_APPS = [..., "django.contrib.auth", "django.contrib.contenttypes", "daybook_django", "yourapp"]
    AUTHENTICATION_BACKENDS = ["daybook_django.backend.DaybookBackend"]
    AUTH_USER_MODEL = "yourapp.AuthUser"
    DAYBOOK = {"ADDRESS": "tls:daybook.example.org:7717", "API_KEY": "dbk_…"}   # or "unix:/run/daybook/daybook.sock"

The models come from `daybook catalog --platform django_etl --django --written > yourapp/models.py`.
"""

default_app_config = "daybook_django.apps.DaybookConfig"
