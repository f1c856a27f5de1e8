"""Making, changing, re-keying and deleting applications."""

import uuid

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from portal.forms import (
    KIND_HINTS,
    ApplicationEditForm,
    ApplicationForm,
    SubmissionForm,
    apply_form,
)
from portal.models import Application
from portal.once import claim_submission
from portal.pages import DeveloperRequest, developer_page
from portal.queries.get_application import get_application
from portal.queries.read_registration import read_registration
from portal.services.delete_application import delete_application
from portal.services.register_application import register_application
from portal.services.rotate_secret import rotate_secret
from portal.services.update_application import update_application

ALREADY_SENT = "That was already done. A secret is shown once only; rotate it if it is lost."


@require_http_methods(["GET", "HEAD", "POST"])
@developer_page
def new_application(request: DeveloperRequest) -> HttpResponse:
    form = ApplicationForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        if not claim_submission(form.cleaned_data["submission"]):
            messages.info(request, ALREADY_SENT)
            return redirect("portal:applications")
        registered = apply_form(
            form,
            lambda: register_application(
                developer=request.developer,
                name=form.cleaned_data["name"],
                redirect_uris=form.redirect_uris_sent,
                grant_types=form.grant_types,
            ),
        )
        if registered is not None:
            return show_credentials(
                request, registered.application, registered.client_secret, is_new=True
            )
    form.renew_submission()
    return render(request, "portal/application_new.html", {"form": form, "hints": KIND_HINTS})


@require_http_methods(["GET", "HEAD", "POST"])
@developer_page
def edit_application(request: DeveloperRequest, application_id: uuid.UUID) -> HttpResponse:
    application = get_application(developer=request.developer, application_id=application_id)
    record = read_registration(application)
    form = ApplicationEditForm(
        request.POST if request.method == "POST" else None,
        uses_redirects=record.uses_redirects,
        initial={
            "name": record.metadata.get("client_name", application.name),
            "redirect_uris": "\n".join(record.metadata.get("redirect_uris", [])),
        },
    )
    if request.method == "POST" and form.is_valid():
        changed = apply_form(
            form,
            lambda: update_application(
                application=application,
                name=form.cleaned_data["name"],
                redirect_uris=form.cleaned_data.get("redirect_uris"),
            ),
        )
        if changed is not None:
            messages.success(request, "Saved.")
            return redirect("portal:application", application.id)
    context = {"form": form, "application": application}
    return render(request, "portal/application_edit.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@developer_page
def rotate_application_secret(request: DeveloperRequest, application_id: uuid.UUID) -> HttpResponse:
    application = get_application(developer=request.developer, application_id=application_id)
    form = SubmissionForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        if not claim_submission(form.cleaned_data["submission"]):
            messages.info(request, ALREADY_SENT)
            return redirect("portal:application", application.id)
        secret = rotate_secret(application=application)
        return show_credentials(request, application, secret, is_new=False)
    context = {"form": form, "application": application}
    return render(request, "portal/application_rotate.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@developer_page
def remove_application(request: DeveloperRequest, application_id: uuid.UUID) -> HttpResponse:
    application = get_application(developer=request.developer, application_id=application_id)
    if request.method == "POST":
        name = application.name
        delete_application(application=application)
        messages.success(request, f"{name} was deleted. Its tokens and credentials are void.")
        return redirect("portal:applications")
    return render(request, "portal/application_delete.html", {"application": application})


def show_credentials(
    request: DeveloperRequest,
    application: Application,
    client_secret: str,
    *,
    is_new: bool,
    next_url: str = "",
) -> HttpResponse:
    """Show the secret in the answer to the POST itself: it is in no session, no cache, no URL."""
    context = {
        "application": application,
        "client_secret": client_secret,
        "is_new": is_new,
        "next_url": next_url or reverse("portal:application", args=[application.id]),
    }
    response = render(request, "portal/credentials.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response
