"""What a new installation is given before anyone signs in, and the demo in it."""
