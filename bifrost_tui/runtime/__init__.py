"""What code and commands are given: the only room that reads plaintext."""
