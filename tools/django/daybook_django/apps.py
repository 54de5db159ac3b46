"""The application: Django writes nothing of a sign-in, since Daybook records it itself."""

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in


class DaybookConfig(AppConfig):
    name = "daybook_django"
    verbose_name = "Daybook"

    def ready(self):
        user_logged_in.disconnect(dispatch_uid="update_last_login")
