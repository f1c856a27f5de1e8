"""The house rules that a linter does not know."""

import ast

import pytest

from tests.architecture import source_tree
from tests.architecture.source_tree import list_sources, parse, relative

# What may be longer, each with its reason. The list only gets shorter.
LONG_FUNCTIONS: dict[tuple[str, str], str] = {}
LONG_FILES: dict[str, str] = {}

# Who sends a task without a transaction around it, and why that is right.
SENT_AT_ONCE = {
    "ams/metering/fold_queue.py": "its thread has no transaction; the batch is committed already",
}

READMES = [
    *source_tree.PACKAGES,
    *(
        f"ams/{name}"
        for name in (
            "catalog",
            "plans",
            "subscriptions",
            "metering",
            "billing",
        )
    ),
]


def test_no_function_outgrows_a_page():
    found = {
        (relative(path), name): length
        for path in list_sources()
        for name, length in source_tree.find_long_functions(parse(path))
    }

    assert {key: length for key, length in found.items() if key not in LONG_FUNCTIONS} == {}
    assert set(LONG_FUNCTIONS) <= set(found), "a listed function got shorter: take it off the list"


def test_no_file_outgrows_its_subject():
    lengths = {relative(path): len(path.read_text().splitlines()) for path in list_sources()}
    found = {name: n for name, n in lengths.items() if n > source_tree.LONGEST_FILE}

    assert {name: n for name, n in found.items() if name not in LONG_FILES} == {}
    assert set(LONG_FILES) <= set(found), "a listed file got shorter: take it off the list"


def test_settings_stay_readable():
    assert len((source_tree.ROOT / "config/settings.py").read_text().splitlines()) <= 300


def test_every_file_name_says_something():
    nameless = [
        relative(path) for path in list_sources() if path.stem in source_tree.FORBIDDEN_NAMES
    ]

    assert nameless == []


def test_tasks_are_sent_after_the_commit():
    early = [
        f"{relative(path)}:{line}"
        for path in list_sources()
        if relative(path) not in SENT_AT_ONCE
        for line in source_tree.find_unguarded_delays(parse(path))
    ]

    assert early == []


def test_nothing_logs_a_secret():
    logged = [
        f"{relative(path)}:{line} {name}"
        for path in list_sources()
        for line, name in source_tree.find_logged_secrets(parse(path))
    ]

    assert logged == []


@pytest.mark.parametrize("package", READMES)
def test_package_says_what_it_owns(package):
    text = (source_tree.ROOT / package / "README.md").read_text().lower()

    for word in ("owns", "not own", "invariant"):
        assert word in text, f"{package}/README.md does not say: {word}"


# --- the rules themselves ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    ["task.delay(1)", "tasks.send.apply_async()", "on_commit(task.delay(1))[0].delay()"],
)
def test_early_task_is_found(code):
    assert list(source_tree.find_unguarded_delays(ast.parse(code))) == [1]


@pytest.mark.parametrize(
    "code",
    [
        "transaction.on_commit(lambda: task.delay(1))",
        "on_commit(partial(task.delay, 1))",
        "form.delay_seconds(1)",
    ],
)
def test_task_after_the_commit_is_fine(code):
    assert list(source_tree.find_unguarded_delays(ast.parse(code))) == []


@pytest.mark.parametrize(
    "code",
    [
        'logger.info("issued %s", token)',
        'log.warning(f"bad {request.client_secret}")',
        '_logger.exception("x", extra={"code": code})',
        'logger.debug("%s", self.access_token.value)',
    ],
)
def test_logged_secret_is_found(code):
    assert list(source_tree.find_logged_secrets(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        'logger.info("issued %s", token_digest[:8])',
        'logger.info("answered %s", response.status_code)',
        'logger.info("the token was refused")',
        "math.log(token)",
        'logger.info("refused: %s", refusal.error.code)',
    ],
)
def test_harmless_log_line_is_fine(code):
    assert list(source_tree.find_logged_secrets(ast.parse(code))) == []


def test_long_function_is_found():
    body = "\n".join("    x = 1" for _ in range(source_tree.LONGEST_FUNCTION))
    assert list(source_tree.find_long_functions(ast.parse(f"def f():\n{body}"))) == [("f", 61)]


def test_docstring_does_not_make_a_function_long():
    text = "\n".join(["    '''One.", *["    more"] * 40, "    '''", *["    x = 1"] * 30])
    assert list(source_tree.find_long_functions(ast.parse(f"def f():\n{text}"))) == []
