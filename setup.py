"""The one thing that pyproject.toml cannot say: an extension that may be missing.

Where there is no compiler, or another system than Linux, the Python lister serves.
"""

import sys

from setuptools import Extension, setup

FOLDER = "dirsync/scan/native"
PARTS = ("blake2b", "digests", "glance", "lister", "module", "stride", "telling_rows", "text")
LISTER = Extension(
    "dirsync.scan.native._lister",
    sources=[f"{FOLDER}/{name}.c" for name in (*PARTS, "module_glance", "module_stride")],
    depends=[f"{FOLDER}/{name}.h" for name in PARTS],
    define_macros=[("Py_LIMITED_API", "0x030B0000")],
    extra_compile_args=["-std=c11", "-O3", "-Wall", "-Wextra", "-fvisibility=hidden"],
    py_limited_api=True,
    optional=True,
)

setup(
    ext_modules=[LISTER] if sys.platform == "linux" else [],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
