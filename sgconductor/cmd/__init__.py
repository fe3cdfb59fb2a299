"""The commands: each reads a configuration and hands it to the app."""
