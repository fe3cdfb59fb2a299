"""All parts, in the order of a run."""

from benchmarks.parts import beats
from benchmarks.parts import flat
from benchmarks.parts import fleet
from benchmarks.parts import get
from benchmarks.parts import imports
from benchmarks.parts import join
from benchmarks.parts import listing
from benchmarks.parts import pin

# Parts that use the same sides with the same tables follow each other.
PARTS = (
    beats.PART,
    get.PART,
    listing.PART,
    join.PART,
    fleet.PART,
    flat.PART,
    imports.PART,
    pin.PART,
)
