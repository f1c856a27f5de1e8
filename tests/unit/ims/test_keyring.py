from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from django.utils import timezone

from ims import keyring
from ims.errors import NoSigningKey, UndecryptableKey
from ims.models import SigningKey
from ims.services.create_signing_key import create_signing_key

pytestmark = pytest.mark.django_db


def test_private_key_is_not_readable_at_rest():
    key = create_signing_key()

    with pytest.raises(ValueError, match="deserialize"):
        serialization.load_der_private_key(bytes(key.private_key_encrypted)[12:], password=None)
    assert "d" not in key.public_jwk


def test_key_of_another_secret_is_refused_with_the_mend(settings):
    create_signing_key()
    settings.SECRET_KEY = "another secret key, made up for this test only"

    with pytest.raises(UndecryptableKey, match="SECRET_KEY_FALLBACKS"):
        keyring.active_key()


def test_key_of_a_former_secret_opens_by_fallback(settings):
    key = create_signing_key()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another secret key, made up for this test only"

    assert keyring.active_key().kid == key.kid


def test_ciphertext_moved_to_another_kid_is_refused():
    first, second = create_signing_key(), create_signing_key()
    SigningKey.objects.filter(kid=second.kid).update(
        private_key_encrypted=first.private_key_encrypted
    )

    with pytest.raises(UndecryptableKey):
        keyring.active_key()


def test_key_does_not_sign_before_it_activates():
    create_signing_key(activates_at=timezone.now() + timedelta(hours=1))

    with pytest.raises(NoSigningKey, match="ES256"):
        keyring.active_key()


def test_retired_key_does_not_sign():
    key = create_signing_key()
    SigningKey.objects.filter(kid=key.kid).update(retired_at=timezone.now())

    with pytest.raises(NoSigningKey):
        keyring.active_key()


def test_active_key_is_read_once(django_assert_num_queries):
    create_signing_key()

    with django_assert_num_queries(1):
        keyring.active_key()
        keyring.active_key()


def test_newest_active_key_signs():
    create_signing_key()
    newest = create_signing_key()

    assert keyring.active_key().kid == newest.kid
