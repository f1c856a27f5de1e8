"""Invoices: the list, and one with its lines."""

import uuid

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ams import api as ams_api
from portal.pages import DeveloperRequest, developer_page
from portal.subscriber import subscriber_of


@require_safe
@developer_page
def invoices(request: DeveloperRequest) -> HttpResponse:
    found = ams_api.list_invoices(subscriber=subscriber_of(request.developer))
    return render(request, "portal/invoices.html", {"invoices": found})


@require_safe
@developer_page
def invoice(request: DeveloperRequest, invoice_id: uuid.UUID) -> HttpResponse:
    found = ams_api.get_invoice(subscriber=subscriber_of(request.developer), invoice_id=invoice_id)
    context = {"invoice": found, "developer": request.developer}
    return render(request, "portal/invoice.html", context)
