"""How the embedded base model is trained; see README.md here."""
