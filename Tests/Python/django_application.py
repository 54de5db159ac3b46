"""A Django 5.2 application over Daybook's views: lists, joins, annotates, filters, signs people in and writes.

Run by ModelTests: FOLDER (with shop/models.py, as `daybook catalog --django --written` wrote it), URL of the PostgreSQL, ADDRESS
of the server.
"""

import sys

import django
from django.conf import settings
from psycopg.conninfo import conninfo_to_dict

folder, url, address = sys.argv[1:4]
sys.path.insert(0, folder)
place = conninfo_to_dict(url)
settings.configure(
    SECRET_KEY="for a test",
    ALLOWED_HOSTS=["testserver"],
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "daybook_django", "shop",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    AUTH_USER_MODEL="shop.AuthUser",
    AUTHENTICATION_BACKENDS=["daybook_django.backend.DaybookBackend"],
    DAYBOOK={"ADDRESS": address},
    USE_TZ=True,
    ROOT_URLCONF=__name__,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql", "NAME": place["dbname"], "USER": place.get("user", ""),
            "PASSWORD": place.get("password", ""), "HOST": place.get("host", ""), "PORT": place.get("port", ""),
        }
    },
)
urlpatterns = []
django.setup()

from django.contrib.auth import authenticate, get_user  # noqa: E402
from django.core.exceptions import ValidationError  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db.models import Count, Max, Q  # noqa: E402
from django.test import Client  # noqa: E402

from daybook_django.client import send  # noqa: E402
from shop import models  # noqa: E402

call_command("check")

# Every model can be read, and whatever one row refers to is there.
read = 0
for model in django.apps.apps.get_app_config("shop").get_models():
    for row in model.objects.all()[:20]:
        for field in model._meta.concrete_fields:
            if field.is_relation and getattr(row, field.attname) is not None:
                assert getattr(row, field.name) is not None, f"{model.__name__}.{field.name} leads nowhere"
                read += 1
assert read > 20, read

# Joins, annotations and filters.
organizations = models.Organization.objects.annotate(
    pipeline_count=Count("pipelines", distinct=True), last=Max("pipelines__pipeline_runs__started_at"))
assert sum(one.pipeline_count for one in organizations) == models.Pipeline.objects.count() > 0
assert any(one.last is not None for one in organizations)
runs = models.PipelineRun.objects.select_related("pipeline__organization", "triggered_by")
assert {run.pipeline.organization.slug for run in runs} <= {one.slug for one in organizations}
by_status = dict(runs.values_list("status").annotate(Count("id")))
assert sum(by_status.values()) == len(runs) > 0
assert models.TaskRun.objects.filter(pipeline_run__status="success", pipeline_step__order_index=1).exists()
failed = models.PipelineRun.objects.filter(Q(status="failed") | Q(status="timeout")).prefetch_related("task_runs")
assert all(task.pipeline_run_id == run.pk for run in failed for task in run.task_runs.all())
assert models.PipelineStep.objects.filter(pipeline__name__isnull=False).order_by("pipeline", "order_index").exists()

# A person signs in with the password that Daybook has, and Django writes nothing of it.
organization = models.Organization.objects.order_by("name").first()
made = send(
    "user.create", email="web@django.example", username="web", role="developer", organization_id=organization.pk,
    membership_role="admin", password="a word of the web")
send("user.list", where={"id": made["id"]}, at_least=made["position"])
assert authenticate(username="web", password="another word") is None
assert authenticate(username="nobody", password="a word of the web") is None
user = authenticate(username="web", password="a word of the web")
assert user is not None and str(user.pk) == made["id"] and not user.has_usable_password()
browser = Client()
assert not browser.login(username="web", password="another word")
assert browser.login(username="web@django.example", password="a word of the web")
assert get_user(browser).pk == user.pk
# Signing in is an event, once a minute at most.
assert "user.logged_in" in [one["event"] for one in send("user.history", id=made["id"])["items"]]

# Writing is a command, and what was written is there to be read.
pipeline = models.Pipeline(name="from django", organization=organization, config={"a": 1})
pipeline.save(reason="made by a form")
assert pipeline.status == "draft" and pipeline.version == "1.0.0" and pipeline.created_by.email == "!system"
pipeline.description = "of a form"
pipeline.save()
assert models.Pipeline.objects.get(pk=pipeline.pk).description == "of a form"
before = send("pipeline.get", id=str(pipeline.pk))["version"]
pipeline.save()
assert send("pipeline.get", id=str(pipeline.pk))["version"] == before, "what didn't change is no event"
history = send("pipeline.history", id=str(pipeline.pk))["items"]
assert "made by a form" in [one.get("reason") for one in history], history

other = models.Pipeline.objects.create(name="second", organization=organization, config={})
assert other.pk and models.Organization.objects.get(pk=organization.pk).pipelines.filter(pk=other.pk).exists()
for refused, field in [
    (models.Pipeline(name="x" * 300, organization=organization, config={}), "name"),
    (models.Connector(name="c", connector_type="database", organization=organization, config={}), "credential"),
    (models.Connector(name="c", connector_type="no such", organization=organization, config={}), "connector_type"),
]:
    try:
        refused.save()
    except ValidationError as error:
        assert field in error.message_dict, error.message_dict
    else:
        raise AssertionError(f"{refused} was taken")
for one in (pipeline, other):
    key = one.pk
    one.delete(reason="no longer needed")
    send("pipeline.list", where={"id": str(key)}, at_least=send("pipeline.history", id=str(key))["items"][-1]["position"])
    assert not models.Pipeline.objects.filter(pk=key).exists()
print("done")
