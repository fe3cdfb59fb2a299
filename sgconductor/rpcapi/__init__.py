"""The clients of a conductor, and what both ends of the bus share."""
