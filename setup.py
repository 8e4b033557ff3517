"""What pyproject.toml cannot say: C modules that may be missing, for any Python from 3.11 on."""

import sysconfig

from setuptools import Extension, setup

modules = [
    Extension(
        f"waterspout.{name.replace('/', '.')}",
        [f"src/waterspout/{name}.c"],
        py_limited_api=True,
        optional=True,  # without a compiler, wire/frames.py and os.write do their work
    )
    for name in ("wire/_frames", "hosts/_send")
]

if sysconfig.get_config_var("Py_GIL_DISABLED"):  # a free-threaded Python has no limited API, so they are missing there
    setup()
else:
    setup(ext_modules=modules, options={"bdist_wheel": {"py_limited_api": "cp311"}})
