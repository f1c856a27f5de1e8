"""The composition root. Importing it loads the Celery application, so that `shared_task` binds."""
