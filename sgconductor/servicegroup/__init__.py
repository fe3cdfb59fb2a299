"""Who is alive: the driver interface, the drivers and the one rule."""
