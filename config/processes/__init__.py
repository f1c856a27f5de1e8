"""How the parts of one installation are described, started, watched and stopped."""
