"""What can go wrong in API management, without HTTP, database or translation in it."""


class AMSError(Exception):
    """Root of the tree. The message is a sentence that may be shown to the caller."""


class NotFound(AMSError):
    """The thing does not exist, or not for this caller."""


class AlreadySubscribed(AMSError):
    """The client has an open subscription to the plan."""


class InvalidDocument(AMSError):
    """A YAML, OpenAPI or API document is unusable. `where` names the line or the member."""

    def __init__(self, message: str, *, where: str = "") -> None:
        super().__init__(f"{where}: {message}" if where else message)
        self.where = where


class InvalidTransition(AMSError):
    """The state of the thing does not allow this change."""
