"""The parts of a run, one module each."""
