"""The behaviour of a conductor: what stands behind the methods of objects."""
