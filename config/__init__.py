"""The composition root. Importing it imports nothing: `serve` starts before Django does."""
