"""The mutation table: every guard of the product whose removal must make a named test fail.

table_kept      G1 to G3   what was accepted is kept, alone, and once
table_doubt     G4, G5     what may have been sent, and what Meta tells of it
table_limits    G6, G7     Meta's limits, the lease, the token
table_closed    G8 to G10  what must not be sent, what must be said, what must not leak
"""

from tests.mutations.mutation import Mutation
from tests.mutations.table_closed import CLOSED
from tests.mutations.table_doubt import DOUBT
from tests.mutations.table_kept import KEPT
from tests.mutations.table_limits import LIMITS
from tests.mutations.table_private import PRIVATE

TABLE: tuple[Mutation, ...] = (*KEPT, *DOUBT, *LIMITS, *CLOSED, *PRIVATE)
