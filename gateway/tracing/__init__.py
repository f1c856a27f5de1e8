"""OpenTelemetry traces of calls; nothing here runs unless an installation asks for them."""
