"""Acme: a project whose workers are members of a service group."""

# First of all: it has oslo.service use native threads, and oslo.messaging,
# wherever that is imported below, fixes what it uses.
import sgconductor  # noqa: F401
