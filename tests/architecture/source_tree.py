"""The project's own source files, and questions about their syntax trees."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("ams", "config", "demo", "gateway", "ims", "portal", "wire")
FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc", "base", "manager", "selectors"}
LONGEST_FUNCTION = 60
LONGEST_FILE = 500
SECRET_WORDS = ("token", "secret", "password", "code", "credential", "authorization")
# What may be logged of a secret, and words that only look like one.
HARMLESS_WORDS = ("digest", "status_code", "error_code", "token_format", "kind", "count")
LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical", "log"}


def list_sources(*packages: str) -> list[Path]:
    found = (path for name in packages or PACKAGES for path in (ROOT / name).rglob("*.py"))
    return sorted(path for path in found if "migrations" not in path.parts)


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def find_long_functions(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The functions of more than LONGEST_FUNCTION lines, docstring and decorators not counted."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            docstring = (
                first.end_lineno - first.lineno + 1 if ast.get_docstring(node) is not None else 0
            )
            length = node.end_lineno - node.lineno + 1 - docstring
            if length > LONGEST_FUNCTION:
                yield node.name, length


def find_unguarded_delays(tree: ast.Module) -> Iterator[int]:
    """The lines that send a task to the queue before its transaction is committed.

    A worker would look for rows that are not there yet. `on_commit(partial(task.delay, ...))` and
    `on_commit(lambda: task.delay(...))` are the ways to do it.
    """
    guarded = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _name_of(node.func) == "on_commit"
        for argument in node.args
        for inner in ast.walk(argument)
    }
    for node in ast.walk(tree):
        is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if is_call and node.func.attr in {"delay", "apply_async"} and id(node) not in guarded:
            yield node.lineno


def find_logged_secrets(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The lines that hand a name like `token` to a logger, as an argument or in an f-string."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _is_log_call(node.func):
            for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
                for inner in ast.walk(argument):
                    name = _name_of(inner).lower()
                    if _sounds_secret(name) and not _is_error_code(inner):
                        yield node.lineno, name


def _is_log_call(function: ast.expr) -> bool:
    is_method = isinstance(function, ast.Attribute) and function.attr in LOG_METHODS
    return is_method and "log" in _name_of(function.value).lower()


def _sounds_secret(name: str) -> bool:
    if any(word in name for word in HARMLESS_WORDS):
        return False
    return any(word in name.split("_") for word in SECRET_WORDS) or name == "jwt"


def _is_error_code(node: ast.AST) -> bool:
    """Whether it is the registered code of an OAuth error, which is public."""
    is_code = isinstance(node, ast.Attribute) and node.attr == "code"
    return is_code and _name_of(node.value).endswith("error")


def _name_of(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
