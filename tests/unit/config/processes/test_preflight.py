import socket
from dataclasses import replace

import pytest

from config.processes import preflight
from config.processes.installation import read_installation
from config.processes.preflight import NotReady
from tests.live_stack import PORTS, find_free_ports


@pytest.fixture
def installation(tmp_path, monkeypatch):
    monkeypatch.setenv("TOLLGATE_HOME", str(tmp_path / "home"))
    for name, port in zip(PORTS, find_free_ports(len(PORTS)), strict=True):
        monkeypatch.setenv(name, str(port))
    return read_installation()


def test_free_ports_are_fine(installation):
    preflight.check_ports(installation)


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_taken_port_is_named_with_its_variable(installation, address):
    with socket.socket() as other:
        other.bind((address, installation.web_port))
        other.listen()

        with pytest.raises(NotReady) as caught:
            preflight.check_ports(installation)

    assert str(caught.value) == (
        f"Port {installation.web_port} is in use. Stop the other program or set TOLLGATE_WEB_PORT."
    )
    assert not installation.home.exists()


def test_one_port_for_two_is_refused(installation):
    same = replace(installation, demo_port=installation.web_port)

    with pytest.raises(NotReady, match="TOLLGATE_WEB_PORT and TOLLGATE_DEMO_PORT are both"):
        preflight.check_ports(same)


def test_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(NotReady, match=r"file/home cannot be written .*set TOLLGATE_HOME"):
        preflight.check_home(tmp_path / "file" / "home")


def test_known_folder_that_became_unwritable_is_named(tmp_path):
    preflight.check_home(tmp_path)
    (tmp_path / "run" / "serve.lock").mkdir()  # cannot be opened for writing, by root neither

    with pytest.raises(NotReady, match="cannot be written"), preflight.hold(tmp_path):
        pass


def test_one_data_folder_serves_one_at_a_time(installation):
    preflight.check_home(installation.home)

    with (
        preflight.hold(installation.home),
        pytest.raises(NotReady, match="is running with the data"),
        preflight.hold(installation.home),
    ):
        pass

    with preflight.hold(installation.home):
        pass


def test_unreachable_database_is_told_what_to_do():
    with pytest.raises(NotReady, match=r"DATABASE_URL names .*unset DATABASE_URL"):
        preflight.check_database("postgresql://127.0.0.1:9/none")


def test_unreachable_queue_is_told_what_to_do():
    with pytest.raises(NotReady, match=r"REDIS_URL names .*unset REDIS_URL"):
        preflight.check_redis("redis://127.0.0.1:9/0")


def test_address_of_another_kind_is_told_what_to_do():
    with pytest.raises(NotReady, match="REDIS_URL names"):
        preflight.check_redis("http://127.0.0.1:9/0")
