import pytest

from ims import secret_box
from ims.errors import UnopenedSecret

TEXT = "JBSWY3DPEHPK3PXP"


def test_text_comes_back_and_is_not_readable_at_rest():
    stored = secret_box.seal(TEXT, purpose="a")

    assert TEXT not in stored
    assert secret_box.seal(TEXT, purpose="a") != stored
    assert secret_box.open_sealed(stored, purpose="a") == TEXT


def test_text_of_another_purpose_does_not_open():
    with pytest.raises(UnopenedSecret):
        secret_box.open_sealed(secret_box.seal(TEXT, purpose="a"), purpose="b")


def test_changed_text_does_not_open():
    stored = secret_box.seal(TEXT, purpose="a")
    changed = stored[:-6] + ("A" if stored[-6] != "A" else "B") + stored[-5:]

    with pytest.raises(UnopenedSecret):
        secret_box.open_sealed(changed, purpose="a")


def test_former_secret_key_opens_what_it_sealed(settings):
    stored = secret_box.seal(TEXT, purpose="a")
    former, settings.SECRET_KEY = settings.SECRET_KEY, "another secret key of this installation"

    with pytest.raises(UnopenedSecret):
        secret_box.open_sealed(stored, purpose="a")
    settings.SECRET_KEY_FALLBACKS = [former]
    assert secret_box.open_sealed(stored, purpose="a") == TEXT


def test_secret_that_was_stored_in_the_clear_still_works():
    assert secret_box.open_sealed(TEXT, purpose="a") == TEXT
