"""The official Python API: ``from futukit.futu import *`` in place of ``from futu import *``.

Contexts, handlers, enums and settings have the official names and return what the official ones
do: ``(RET_OK, data)`` or ``(RET_ERROR, message)``. pandas is needed for this face only, and
imported with the first DataFrame.
"""

from futukit.futu.frames import require_pandas

require_pandas()

# Only now: without pandas the error above is the one to see. The star is what programs import.
from futukit.futu._star import *  # noqa: E402, F403
from futukit.futu._star import __all__ as __all__  # noqa: E402
