"""Private servers for the functional tests, one module per server."""
