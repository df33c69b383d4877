"""Secrets taken out of text: it knows no database and no key, only values that it is told."""
