"""What goes wrong with usage."""


class UsageJournalUnusable(OSError):
    """The journal cannot be written; the message names the directory and the mend."""
