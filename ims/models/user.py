"""A person (or an administrator) who can sign in."""

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Lower


class User(AbstractUser):
    """`subject` is the `sub` claim: it never changes and is never reused."""

    subject = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    email = models.EmailField("e-mail address", blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                condition=~models.Q(email=""),
                name="ims_user_email_unique",
            )
        ]
