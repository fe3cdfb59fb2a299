"""The drivers, loaded by name from the sgconductor.servicegroup group."""
