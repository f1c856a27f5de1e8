import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import bearer
from wire.bearer import Prefix


@pytest.mark.parametrize("prefix", list(Prefix))
def test_minted_credential_is_well_formed(prefix):
    assert bearer.is_well_formed(bearer.mint(prefix), prefix)


def test_the_same_secret_spells_the_same_credential():
    first, second = (bearer.spell(Prefix.REFRESH_TOKEN, bytes(range(32))) for _ in range(2))

    assert first == second
    assert bearer.is_well_formed(first, Prefix.REFRESH_TOKEN)
    assert first != bearer.spell(Prefix.REFRESH_TOKEN, bytes(range(1, 33)))


@pytest.mark.parametrize("length", [0, 31, 33])
def test_secret_of_another_length_spells_nothing(length):
    with pytest.raises(ValueError, match="32 bytes"):
        bearer.spell(Prefix.REFRESH_TOKEN, bytes(length))


def test_minted_credential_is_a_b64token():
    assert bearer.B64TOKEN.fullmatch(bearer.mint(Prefix.ACCESS_TOKEN).encode())


def test_credential_of_another_kind_is_refused():
    assert not bearer.is_well_formed(bearer.mint(Prefix.REFRESH_TOKEN), Prefix.ACCESS_TOKEN)


@given(position=st.integers(5, 53), replacement=st.sampled_from("0aZ"))
def test_one_changed_character_breaks_the_checksum(position, replacement):
    token = bearer.mint(Prefix.ACCESS_TOKEN)
    changed = token[:position] + replacement + token[position + 1 :]

    assert changed == token or not bearer.is_well_formed(changed, Prefix.ACCESS_TOKEN)


@pytest.mark.parametrize("junk", ["", "tgat_", "x" * 54, "tgat_" + "é" * 49, "tgat_" + "0" * 500])
def test_junk_is_refused(junk):
    assert not bearer.is_well_formed(junk, Prefix.ACCESS_TOKEN)
