"""What can go wrong in API management, without HTTP, database or translation in it."""

from collections.abc import Iterable
from dataclasses import dataclass


class AMSError(Exception):
    """Root of the tree. The message is a sentence that may be shown to the caller."""


class NotFound(AMSError):
    """The thing does not exist, or not for this caller."""


class AlreadySubscribed(AMSError):
    """The client has an open subscription to the plan."""


class RecentCallsUnavailable(AMSError):
    """The store of recent calls does not answer; nothing else is wrong."""


class InvalidDocument(AMSError):
    """A YAML, OpenAPI or API document is unusable. `where` names the line or the member."""

    def __init__(self, message: str, *, where: str = "") -> None:
        super().__init__(f"{where}: {message}" if where else message)
        self.where = where


class InvalidTransition(AMSError):
    """The state of the thing does not allow this change."""


class InUse(AMSError):
    """The thing cannot go away while others need it; the message names them."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One unusable field. `path` leads to it: `("operations", 2, "path")`."""

    path: tuple[str | int, ...]
    message: str

    def __str__(self) -> str:
        return f"{self.name}: {self.message}" if self.path else self.message

    @property
    def name(self) -> str:
        """Return the path as people write it: `operations[2].path`."""
        text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path)
        return text.removeprefix(".")

    def below(self, *path: str | int) -> "FieldProblem":
        """Return the same problem, seen from further up."""
        return FieldProblem((*path, *self.path), self.message)


class InvalidFields(AMSError):
    """Some fields are unusable; all of them are named at once."""

    def __init__(self, problems: Iterable[FieldProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


class TokenServiceUnavailable(AMSError):
    """The token service did not answer, or not as it should. `retryable` tells the caller."""

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable
