from pathlib import Path

from django.core.management import call_command

COMMITTED = Path(__file__).resolve().parents[4] / "docs" / "management-api.yaml"


def test_committed_document_describes_the_api_as_it_is(tmp_path):
    made = tmp_path / "management-api.yaml"

    call_command("spectacular", validate=True, fail_on_warn=True, file=str(made))

    assert made.read_text() == COMMITTED.read_text(), "run `make openapi`"
