"""What a test does on a machine that lacks a program."""

import os
from typing import NoReturn

import pytest


def missing(sentence: str) -> NoReturn:
    """Skip the test, with a sentence that says what to do; with WATERSPOUT_SKIP_NOTHING it fails."""
    if os.environ.get("WATERSPOUT_SKIP_NOTHING"):
        pytest.fail(sentence, pytrace=False)
    pytest.skip(sentence)
