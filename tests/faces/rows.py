"""What the pages of faces name in their tables."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def is_there(named: str, tests: Path) -> bool:
    """Tell whether a test that a page names is there: `FILE::TEST`, FILE from the root or from the face's tests."""
    file, test = named.split("::")
    source = (ROOT if file.startswith("tests/") else tests) / file
    return re.search(rf"^(?:async )?def {test}\(", source.read_text("utf-8"), re.MULTILINE) is not None
