"""The vocabulary of the audit log; `ims.services.record_audit_event` writes it (see README.md)."""
