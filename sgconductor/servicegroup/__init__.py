"""Service groups: the interface of liveness drivers, and the drivers."""
