"""The screens, by keyboard, over SSH. Talks to the store, never to the cipher."""
