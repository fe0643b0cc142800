"""What may be in a requirements file, a constraints file, a wheel, and the texts of the repository."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping

from packaging.markers import default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from support.imports import read_imports

PYTHONS = {"3.10": "3.10.12", "3.11": "3.11.2", "3.12": "3.12.3"}  # of Ubuntu 22.04, Debian 12, Ubuntu 24.04

# A place on one machine, and hosts of package indexes: neither means anything to a reader of the repository.
FOREIGN = re.compile(r"(?<![\w.])/(?:work|root)/|pypi\.org|pythonhosted\.org|deb\.debian\.org|registry\.npmjs")


def requirements_in(text: str) -> dict[str, Requirement]:
    """{normalized name: requirement} of a requirements file."""
    lines = [re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines()]
    return by_name(line for line in lines if line)


def by_name(lines: Iterable[str]) -> dict[str, Requirement]:
    """{normalized name: requirement} of requirement strings."""
    found = [Requirement(line) for line in lines]
    return {canonicalize_name(one.name): one for one in found}


def bad_pins(text: str) -> list[str]:
    """Lines of a constraints file that are anything but ``name==version`` with, or without, a marker."""
    bad = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        try:
            pin = Requirement(line)
        except InvalidRequirement:
            bad.append(line)
            continue
        exact = [specifier.operator for specifier in pin.specifier] == ["=="] and "*" not in str(pin.specifier)
        if pin.url or pin.extras or not exact:
            bad.append(line)
    return bad


def unpinned(requirements: Iterable[Requirement], constraints: str, python: str) -> list[str]:
    """Requirements that hold on Linux with this Python and have no pin there, two, or one outside their range."""
    environment = {**default_environment(), "python_version": python, "python_full_version": PYTHONS[python]}
    environment |= {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"}
    lines = [Requirement(line) for line in constraints.splitlines() if line.strip() and not line.startswith("#")]
    pins: dict[str, list[str]] = {}
    for pin in lines:
        if pin.marker is None or pin.marker.evaluate(environment):
            pins.setdefault(canonicalize_name(pin.name), []).append(str(pin.specifier).removeprefix("=="))
    wanted = [one for one in requirements if one.marker is None or one.marker.evaluate(environment)]
    found = {str(one): pins.get(canonicalize_name(one.name), []) for one in wanted}
    return [
        f"{one} has {found[str(one)] or 'no pin'}"
        for one in wanted
        if len(found[str(one)]) != 1 or not one.specifier.contains(found[str(one)][0], prereleases=True)
    ]


def undeclared(files: dict[str, str], declared: Iterable[str], providers: Mapping[str, list[str]]) -> list[str]:
    """Packages imported in ``files`` ({path: source}) that no declared distribution brings.

    ``providers`` tells which distributions bring a package, as importlib.metadata.packages_distributions does.
    """
    own = {"drape", "operators", "panels"}
    names = {canonicalize_name(name) for name in declared}
    bad = set()
    for path, source in files.items():
        for package in {found.target.split(".")[0] for found in read_imports(path, source)} - own:
            brought_by = {canonicalize_name(name) for name in providers.get(package, [])}
            if package not in sys.stdlib_module_names and not brought_by & names:
                bad.add(f"{path} imports {package}")
    return sorted(bad)


def strays(names: Iterable[str]) -> list[str]:
    """Members of a wheel that are neither in the package drape nor in its metadata."""
    return [name for name in names if not re.match(r"drape/|drape-[^/]+\.dist-info/", name)]


def foreign(text: str) -> list[str]:
    """Lines that name a place on one machine or a package index's host."""
    return [line.strip() for line in text.splitlines() if FOREIGN.search(line)]
