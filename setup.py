"""The one thing that pyproject.toml cannot say: a C module that may be missing, for any Python from 3.11 on."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "waterspout.wire._frames",
            ["src/waterspout/wire/_frames.c"],
            py_limited_api=True,
            optional=True,  # without a compiler, wire/frames.py does its work
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
