"""How pages write dates and times, a package for each language."""
