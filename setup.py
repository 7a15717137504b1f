"""Builds the compiled core. Everything else about the package is in ``pyproject.toml``.

Switches, from the environment:

``FUTUKIT_BUILD_DEBUG=1``      no optimisation, debug symbols, C assertions
``FUTUKIT_BUILD_ANNOTATE=1``   an HTML page per module that shows the C behind each line
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, find_packages, setup

SOURCES = "_native"
# Folders of the repository that become a part of the package.
MAPPED = {"futukit.codegen": "codegen", "futukit.protos": "protos"}
DATA = {
    "futukit": ["py.typed"],
    "futukit._native": ["*.pyi"],
    "futukit.sim.market": ["*.toml"],
    "futukit.sim.trading": ["*.toml"],
    "futukit.codegen": ["naming.toml", "templates/*.j2"],
    "futukit.protos": ["*.proto", "*.toml", "futu/*.toml"],
}
MODULES = ("cipher", "frame", "wire")
DIRECTIVES = {
    "language_level": 3,
    # The next three keep the compiled modules' names equal to those of the .pyi stubs.
    "binding": True,
    "autotestdict": False,
    "auto_pickle": False,
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "cdivision": True,
}


def switched_on(name: str) -> bool:
    """Whether the environment switch ``name`` is set to something other than 0."""
    return os.environ.get(name, "0") not in ("", "0")


def compile_arguments() -> list[str]:
    """Flags for the C compiler; speed is why these modules exist, so -O3 unless debugging."""
    if sys.platform == "win32":
        return ["/Od", "/Zi"] if switched_on("FUTUKIT_BUILD_DEBUG") else ["/O2"]
    if switched_on("FUTUKIT_BUILD_DEBUG"):
        return ["-O0", "-g3", "-UNDEBUG", "-Wall"]
    return ["-O3", "-g0"]


def extensions() -> list[Extension]:
    """One extension per module: C-level source in ``_native/``, compiled into the package."""
    headers = sorted(str(path) for path in Path(SOURCES).glob("*.px[di]"))
    return [
        Extension(
            f"futukit._native.{name}",
            [f"{SOURCES}/{name}.pyx"],
            depends=headers,
            extra_compile_args=compile_arguments(),
            libraries=[] if sys.platform in ("win32", "darwin") else ["dl"],
        )
        for name in MODULES
    ]


setup(
    # Named here because several top-level folders stop setuptools' own discovery.
    packages=[*find_packages(include=["futukit", "futukit.*"]), *MAPPED],
    package_dir=MAPPED,
    package_data=DATA,
    ext_modules=cythonize(
        extensions(),
        build_dir="build/cython",
        include_path=[SOURCES],
        compiler_directives=DIRECTIVES,
        annotate=switched_on("FUTUKIT_BUILD_ANNOTATE"),
    ),
)
