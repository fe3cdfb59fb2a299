"""The commands: each reads a configuration and passes it to the app."""
