"""Changes the running stack's data on behalf of a test: one request and one answer a line.

A process of its own, because the tests' own Django is bound to the tests' database.
"""

# ruff: noqa: PLC0415 - models can be imported after django.setup() only

import json
import sys

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
        apply,
        deliver,
        retire_api,
    )
}


def main():
    django.setup()
    for line in sys.stdin:
        name, arguments = json.loads(line)
        try:
            answer = {"result": _COMMANDS[name](*arguments)}
        except Exception as error:  # noqa: BLE001 - the test on the other side shows it
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
