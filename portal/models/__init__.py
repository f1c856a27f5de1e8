from portal.models.application import Application, Developer

__all__ = ["Application", "Developer"]
