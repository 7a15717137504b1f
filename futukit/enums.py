"""The enums of Common, Qot_Common and Trd_Common, from one place."""

from futukit.messages.enums import *  # noqa: F403 - to offer them all is the purpose
from futukit.messages.enums import __all__ as __all__
