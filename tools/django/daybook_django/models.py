"""Models over Daybook's views: reading is SQL, writing is a command."""

import uuid

from django.contrib.auth.base_user import BaseUserManager
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import models
from django.utils.crypto import salted_hmac

from .client import DaybookError, send


class DaybookModel(models.Model):
    """Sends `<type>.create`, `<type>.edit` and `<type>.delete`; what the server refuses is a ValidationError by field.

    `daybook_type` is the resource type, `daybook_fields` names its field for each column that can be set. After `save()`
    the row is in PostgreSQL and has been read again. `reason` is recorded with the command.
    """

    daybook_type = None
    daybook_fields = {}

    class Meta:
        abstract = True

    @classmethod
    def from_db(cls, db, field_names, values):
        instance = super().from_db(db, field_names, values)
        instance._daybook_loaded = instance._daybook_values()
        return instance

    def _daybook_values(self):
        """The values that can be set, by the names that commands have for them."""
        loaded = self.__dict__
        values = {}
        for field in self._meta.concrete_fields:
            name = self.daybook_fields.get(field.column)
            if name and field.attname in loaded:
                values[name] = loaded[field.attname]
        return values

    def save(self, *, update_fields=None, reason=None, using=None, force_insert=False, force_update=False):
        values = self._daybook_values()
        before = getattr(self, "_daybook_loaded", None)
        if before is None:
            method, params = "create", {
                # What a form leaves empty is not given.
                name: value for name, value in values.items() if value is not None and value != ""
            }
            if isinstance(self._meta.pk, models.UUIDField):
                self.pk = self.pk or uuid.uuid4()
                params["id"] = self.pk
        else:
            method = "edit"
            params = {name: value for name, value in values.items() if value != before.get(name)}
            if update_fields is not None:
                columns = {field.column for field in self._meta.concrete_fields if field.name in update_fields}
                allowed = {self.daybook_fields.get(column) for column in columns}
                params = {name: value for name, value in params.items() if name in allowed}
            if not params:
                return
            params["id"] = self._daybook_id()
        result = self._daybook_send(method, params, reason)
        self._daybook_read(result)

    def delete(self, *, reason=None, using=None, keep_parents=False):
        self._daybook_send("delete", {"id": self._daybook_id()}, reason)
        return 1, {self._meta.label: 1}

    def _daybook_id(self):
        if isinstance(self._meta.pk, models.UUIDField):
            return self.pk
        found = send(f"{self.daybook_type}.list", where={"number": self.pk})["items"]
        if not found:
            raise self.DoesNotExist(f"{self._meta.label} {self.pk} is gone")
        return found[0]["id"]

    def _daybook_send(self, verb, params, reason):
        if reason:
            params["reason"] = reason
        try:
            return send(f"{self.daybook_type}.{verb}", **params)
        except DaybookError as error:
            raise self._daybook_invalid(error) from error

    def _daybook_invalid(self, error):
        """A refusal as Django's forms show it: by the field that it is about."""
        names = {}
        for field in self._meta.concrete_fields:
            names.setdefault(self.daybook_fields.get(field.column), field.name)
        problems = {}
        for problem in error.data.get("problems", []):
            name = names.get(problem["path"].split("/")[1] if "/" in problem["path"] else None, NON_FIELD_ERRORS)
            problems.setdefault(name, []).append(problem["problem"])
        return ValidationError(problems or {NON_FIELD_ERRORS: [str(error)]})

    def _daybook_read(self, result):
        """Waits until the read model has what the command recorded, and reads the row."""
        found = send(f"{self.daybook_type}.list", where={"id": result["id"]}, at_least=result["position"])["items"][0]
        if not isinstance(self._meta.pk, models.UUIDField):
            self.pk = found["number"]
        fresh = type(self)._default_manager.get(pk=self.pk)
        self.__dict__.update({key: value for key, value in fresh.__dict__.items() if key != "_state"})
        self._state.adding, self._state.db = False, fresh._state.db


class DaybookUser(models.Model):
    """What Django asks of a user, for the model of the platform's users. It holds no password."""

    class Meta:
        abstract = True

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["email"]
    is_anonymous = False
    is_authenticated = True
    objects = BaseUserManager()

    def get_username(self):
        return self.username

    def natural_key(self):
        return (self.username,)

    def check_password(self, raw_password):
        """Nobody's password is here: `authenticate()` asks Daybook."""
        return False

    def has_usable_password(self):
        return False

    def get_session_auth_hash(self):
        return salted_hmac("daybook_django.session", str(self.pk), algorithm="sha256").hexdigest()

    def has_perm(self, perm, obj=None):
        return self.is_active and self.is_superuser

    def has_perms(self, perms, obj=None):
        return all(self.has_perm(perm, obj) for perm in perms)

    def has_module_perms(self, app_label):
        return self.is_active and self.is_superuser

    def __str__(self):
        return self.username
