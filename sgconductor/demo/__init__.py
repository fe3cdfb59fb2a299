"""The all-in-one demo: a conductor, an example fleet, and a display."""
