"""The all-in-one demo: a conductor, an example fleet, and a display of both.

It looks at the group through the same objects as any other caller.
"""
