"""The database keeps finalized and voided invoices as they are, whoever writes to it."""

from django.db import migrations

_FORWARD = """
CREATE FUNCTION billing_guard_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status = 'draft' THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    -- The one change of a finalized invoice: it is voided, and nothing else.
    IF TG_OP = 'UPDATE' AND OLD.status = 'finalized' AND NEW.status = 'voided'
        AND to_jsonb(NEW) - 'status' - 'updated_at' = to_jsonb(OLD) - 'status' - 'updated_at'
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'invoice % is % and never changes', OLD.id, OLD.status
        USING ERRCODE = 'check_violation';
END $$;

CREATE FUNCTION billing_guard_invoice_line() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed billing_invoiceline := CASE TG_OP WHEN 'INSERT' THEN NEW ELSE OLD END;
BEGIN
    IF EXISTS (
        SELECT FROM billing_invoice
        WHERE id IN (changed.invoice_id, CASE TG_OP WHEN 'UPDATE' THEN NEW.invoice_id END)
        AND status <> 'draft'
    ) THEN
        RAISE EXCEPTION 'the lines of invoice % never change', changed.invoice_id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;

CREATE TRIGGER billing_invoice_guard BEFORE UPDATE OR DELETE ON billing_invoice
    FOR EACH ROW EXECUTE FUNCTION billing_guard_invoice();
CREATE TRIGGER billing_invoice_line_guard BEFORE INSERT OR UPDATE OR DELETE ON billing_invoiceline
    FOR EACH ROW EXECUTE FUNCTION billing_guard_invoice_line();
"""

_BACKWARD = """
DROP TRIGGER billing_invoice_guard ON billing_invoice;
DROP TRIGGER billing_invoice_line_guard ON billing_invoiceline;
DROP FUNCTION billing_guard_invoice();
DROP FUNCTION billing_guard_invoice_line();
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial")]

    operations = [migrations.RunSQL(_FORWARD, _BACKWARD)]
