"""People sign in with their Daybook password."""

import uuid

from django.contrib.auth import get_user_model
from django.contrib.auth.backends import BaseBackend

from .client import DaybookError, connect


class DaybookBackend(BaseBackend):
    """Asks `session.open`: the password never touches Django's database, and Daybook records the sign-in.

    `username` is the user's name or e-mail address. Who has left, or was deactivated, is not let in.
    """

    def authenticate(self, request, username=None, password=None, **_):
        if not username or not password:
            return None
        users = get_user_model().objects
        user = users.filter(username=username).first() or users.filter(email__iexact=username).first()
        if user is None or not user.is_active:
            return None
        with connect() as client:
            try:
                who = client.call("session.open", email=user.email, password=password)
            except DaybookError as error:
                if error.type in ("unauthenticated", "forbidden"):
                    return None
                raise
        # Names are compared in another way by each: who has signed in is whom Daybook says.
        known = getattr(user, "id", None)
        return user if not isinstance(known, uuid.UUID) or who["principal"]["id"] == str(known) else None

    def get_user(self, user_id):
        user = get_user_model().objects.filter(pk=user_id).first()
        return user if user is not None and user.is_active else None
