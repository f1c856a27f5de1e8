"""Changes the running stack's data on behalf of a test: one request and one answer a line.

A process of its own, because the tests' own Django is bound to the tests' database.
"""

# ruff: noqa: PLC0415 - models can be imported after django.setup() only

import json
import sys
import time

import django


def new_application(name, plan):
    from django.utils import timezone

    from ams import api as ams_api
    from portal.models import Developer
    from portal.services.register_application import register_application
    from portal.subscriber import subscriber_of

    developer = Developer.objects.order_by("first_seen_at").first()
    made = register_application(developer=developer, name=name)
    subscription_id = None
    if plan is not None:
        subscription_id = ams_api.subscribe_to_plan(
            subscriber=subscriber_of(developer),
            client_id=made.client_id,
            application_name=name,
            plan_id=_find_plan(plan).pk,
            activated_at=timezone.now(),
        ).id
    return {
        "client_id": made.client_id,
        "client_secret": made.client_secret,
        "subscription_id": str(subscription_id) if subscription_id else None,
    }


def _find_plan(slug):
    from ams.plans.models import Plan

    return Plan.objects.get(slug=slug)


def plan_limit(slug):
    limit = _find_plan(slug).rate_limits.get()
    return [limit.calls, limit.burst]


def counted_calls(client_id):
    from django.db.models import Sum

    from ams.metering.models import HourlyUsage

    return HourlyUsage.objects.filter(client_id=client_id).aggregate(n=Sum("calls"))["n"] or 0


def counted_by_status(client_ids):
    """What the rollups have of each client, by status."""
    from django.db.models import Sum

    from ams.metering.models import HourlyUsage

    found = {client_id: {} for client_id in client_ids}
    rows = HourlyUsage.objects.filter(client_id__in=client_ids).values_list("client_id", "status")
    for client_id, status, calls in rows.annotate(n=Sum("calls")):
        found[client_id][status] = calls
    return [found[client_id] for client_id in client_ids]


def usage_totals(api_slug):
    """The calls of an API as the batches brought them, and as both rollups have them."""
    from django.db import connection
    from django.db.models import Sum

    from ams.catalog.models import API
    from ams.metering.models import DailyUsage, HourlyUsage

    api_id = str(API.objects.get(slug=api_slug).pk)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum((row ->> 'calls')::int) FROM metering_usagebatchrecord, "
            "jsonb_array_elements(document -> 'rows') AS row WHERE row ->> 'api_id' = %s",
            [api_id],
        )
        (batches,) = cursor.fetchone()
    sums = {
        name: model.objects.filter(api_id=api_id).aggregate(n=Sum("calls"))["n"]
        for name, model in (("hourly", HourlyUsage), ("daily", DailyUsage))
    }
    return {"batches": batches, **sums}


_held = []


def hold_rollups():
    """Let every fold wait in the middle of its transaction, until `release_rollups`."""
    from django.db import connection

    other = connection.copy()
    other.set_autocommit(False)
    with other.cursor() as cursor:
        cursor.execute("LOCK TABLE metering_dailyusage IN EXCLUSIVE MODE")
    _held.append(other)


def waiting_folders():
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE NOT granted"
            " AND relation = 'metering_dailyusage'::regclass"
        )
        return cursor.fetchone()[0]


def release_rollups():
    other = _held.pop()
    other.rollback()
    other.close()


def apply(text):
    import io
    import tempfile

    from django.core.management import call_command

    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        call_command("apply", file=file.name, stdout=io.StringIO())


def deliver():
    from ams.catalog.services.deliver_resource_registrations import deliver_resource_registrations

    return deliver_resource_registrations()


def new_management_client(name):
    import io

    from django.core.management import call_command

    out = io.StringIO()
    call_command("create_management_client", name, stdout=out)
    rows = dict(line.split(maxsplit=1) for line in out.getvalue().splitlines()[:2])
    return {"client_id": rows["client_id"], "client_secret": rows["client_secret"]}


def new_person(email, password):
    from ims.services.create_person import create_person

    create_person(email=email, password=password, name="Test Person")


def new_initial_access_token(grant_types):
    from ims.services.provision_initial_access_token import provision_initial_access_token

    return provision_initial_access_token(label="tests", grant_types=grant_types).token


def subscribe(client_id, plan):
    """Subscribe a client that registered itself, on behalf of the demo developer."""
    from django.utils import timezone

    from ams import api as ams_api
    from portal.models import Developer
    from portal.subscriber import subscriber_of

    ams_api.subscribe_to_plan(
        subscriber=subscriber_of(Developer.objects.order_by("first_seen_at").first()),
        client_id=client_id,
        application_name="Test",
        plan_id=_find_plan(plan).pk,
        activated_at=timezone.now(),
    )


def open_registration(is_enabled):
    from ims.models import RegistrationPolicy
    from ims.services.ensure_registration_policy import ensure_registration_policy

    policy = ensure_registration_policy(source=RegistrationPolicy.Source.OPEN)
    policy.is_enabled = is_enabled
    policy.save()


def allow_exchange(acting, subject, resources, scopes):
    from ims.models import Client, TokenExchangePolicy

    clients = {client.client_id: client for client in Client.objects.all()}
    policy = TokenExchangePolicy.objects.create(
        client=clients[acting],
        may_impersonate=True,
        may_delegate=True,
        resources=resources,
        scopes=scopes,
    )
    policy.subject_clients.add(clients[subject])


def retire_api(slug):
    from ams.catalog.models import API
    from ams.catalog.services.retire_api import retire_api as retire

    retire(api_id=API.objects.get(slug=slug).pk)


def configuration_version():
    from ams.http.read_configuration import read_version

    return read_version()


_COMMANDS = {
    function.__name__: function
    for function in (
        new_application,
        new_management_client,
        new_person,
        new_initial_access_token,
        subscribe,
        open_registration,
        allow_exchange,
        plan_limit,
        counted_calls,
        counted_by_status,
        usage_totals,
        hold_rollups,
        waiting_folders,
        release_rollups,
        apply,
        deliver,
        retire_api,
        configuration_version,
    )
}


def drop_dead_connection():
    """Be ready for a database that was killed since the last command."""
    from django.db import Error, connection

    for _ in range(20):
        try:
            connection.ensure_connection()
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except Error:
            connection.close()
            time.sleep(0.5)
        else:
            return


def main():
    django.setup()
    for line in sys.stdin:
        name, arguments = json.loads(line)
        drop_dead_connection()
        try:
            answer = {"result": _COMMANDS[name](*arguments)}
        except Exception as error:  # noqa: BLE001 - the test on the other side shows it
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
