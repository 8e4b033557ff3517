"""A command whose process is gevent's from its first import on."""

import os
import sys
from collections.abc import Sequence

from ..errors import CannotStart

_PATCHED = (
    "from gevent import monkey; monkey.patch_all(); import sys; from waterspout.cli import main; sys.exit(main())"
)


def patch(arguments: Sequence[str]) -> None:
    """Run `waterspout` anew, in this process, with the standard library patched before anything else is imported.

    Nothing happens where it is patched. `CannotStart` where gevent is not installed.
    """
    try:
        from gevent import monkey
    except ImportError:
        raise CannotStart(
            "cannot serve on gevent: it is not installed; install it (pip install 'waterspout[gevent]')"
        ) from None
    if not monkey.is_module_patched("socket"):
        os.execv(sys.executable, [sys.executable, "-c", _PATCHED, *arguments])
