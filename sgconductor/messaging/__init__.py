"""The message bus: the one place that knows oslo.messaging's inside."""
