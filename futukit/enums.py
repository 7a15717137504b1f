"""The enums of Common, Qot_Common and Trd_Common, from one place."""

from futukit.messages.enums import *  # noqa: F403
from futukit.messages.enums import __all__ as __all__
