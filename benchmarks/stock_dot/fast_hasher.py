"""PBKDF2 with a single round: what a client secret of 256 random bits would need."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class FastHasher(PBKDF2PasswordHasher):
    algorithm = "fast"
    iterations = 1
