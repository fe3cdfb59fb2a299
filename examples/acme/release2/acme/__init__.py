"""Acme: a project whose workers are members of a service group."""

# This import must come first: it makes oslo.service use native threads, and
# an import of oslo.messaging before it would choose another backend.
import sgconductor  # noqa: F401
