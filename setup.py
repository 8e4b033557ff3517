"""What pyproject.toml cannot say: a C module that may be missing, for any Python from 3.11 on."""

import sysconfig

from setuptools import Extension, setup

frames = Extension(
    "waterspout.wire._frames",
    ["src/waterspout/wire/_frames.c"],
    py_limited_api=True,
    optional=True,  # without a compiler, wire/frames.py does its work
)

if sysconfig.get_config_var("Py_GIL_DISABLED"):  # a free-threaded Python has no limited API: wire/frames.py here too
    setup()
else:
    setup(ext_modules=[frames], options={"bdist_wheel": {"py_limited_api": "cp311"}})
