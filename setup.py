"""The one thing that pyproject.toml cannot say: extensions that may be missing.

Where there is no compiler, or another system than Linux, Python serves.
"""

import sys

from setuptools import Extension, setup

OPTIONS = {
    "define_macros": [("Py_LIMITED_API", "0x030B0000")],
    "extra_compile_args": ["-std=c11", "-O3", "-Wall", "-Wextra", "-fvisibility=hidden"],
    "py_limited_api": True,
    "optional": True,
}
LISTER = "dirsync/scan/native"
PARTS = ("blake2b", "digests", "glance", "lister", "module", "standing", "stride", "telling_rows", "text")
SMALL = "dirsync/trees/native"
EXTENSIONS = [
    Extension(
        "dirsync.scan.native._lister",
        sources=[f"{LISTER}/{name}.c" for name in (*PARTS, "module_glance", "module_stride")],
        depends=[f"{LISTER}/{name}.h" for name in PARTS],
        **OPTIONS,
    ),
    Extension(
        "dirsync.trees.native._small",
        sources=[f"{SMALL}/{name}.c" for name in ("small", "module")],
        depends=[f"{SMALL}/small.h"],
        **OPTIONS,
    ),
]

setup(
    ext_modules=EXTENSIONS if sys.platform == "linux" else [],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
