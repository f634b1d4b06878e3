"""How frames come in and go out."""
