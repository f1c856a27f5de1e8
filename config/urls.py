"""The web role's addresses, one line a mount."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("-/", include("config.operations_urls")),
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("", include("ims.urls")),
    path("", include("ams.http.urls")),
    path("", include("portal.urls")),
]
