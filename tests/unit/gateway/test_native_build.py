"""Which compiled modules are used. `make test-native` runs the gateway's tests on them."""

import os
import sys

import pytest

from gateway import native_build, server
from gateway.config import BadConfiguration
from gateway.dataplane import pipeline
from tests.unit.gateway.test_ims_client import make_config


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of one module, in place of ours."""
    for name in ("gateway/one.py", "wire/two.py"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("A = 1\n")
    monkeypatch.setattr(native_build, "_ROOT", tmp_path)
    return tmp_path


def build():
    path = native_build.build_path()
    path.mkdir(parents=True)
    native_build.note_complete(path)
    return path


@pytest.mark.usefixtures("project")
def test_a_build_of_these_sources_is_found():
    assert native_build.find_build() is None

    path = build()

    assert native_build.find_build() == path


def test_a_build_of_other_sources_is_not_used(project):
    build()

    (project / "gateway" / "one.py").write_text("A = 2\n")

    assert native_build.find_build() is None


@pytest.mark.usefixtures("project")
def test_a_build_that_was_not_completed_is_not_used():
    native_build.build_path().mkdir(parents=True)

    assert native_build.find_build() is None


def test_every_hot_module_is_there():
    there = {str(path.with_suffix("")).replace("/", ".") for path in native_build.sources()}

    assert set(native_build.HOT_MODULES) <= there


def test_the_present_directory_does_not_hide_a_build(tmp_path):
    command, environment = native_build.worker_command(tmp_path)

    assert command == (sys.executable, "-P", "-m", "gateway.worker_process")
    assert environment["PYTHONPATH"] == str(tmp_path)


@pytest.mark.usefixtures("project")
def test_a_build_that_is_demanded_must_be_there():
    with pytest.raises(BadConfiguration, match="make native"):
        server._worker_command(make_config("http://localhost", native="on"))


def test_plain_python_can_be_demanded(project):
    build()

    command, _ = server._worker_command(make_config("http://localhost", native="off"))

    assert "-P" not in command


@pytest.mark.skipif("TOLLGATE_TEST_NATIVE" not in os.environ, reason="make test-native runs it")
def test_these_tests_run_on_compiled_modules():
    assert not pipeline.__file__.endswith(".py")
    assert native_build.is_in_use()
