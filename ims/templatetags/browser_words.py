"""Filters for the pages on which people see where they are signed in."""

from django import template

from ims.views.account_words import describe_browser

register = template.Library()
register.filter("browser", describe_browser)
