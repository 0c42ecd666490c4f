"""An import hook: the packages of the five libraries answer to their original names, in this process only."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Final

ROOTS: Final = ("agentscope", "agentscope_runtime", "ai_infra", "rtclient")
"""The packages that answer to their original names."""
_PREFIX: Final = "voicewire.compat."


class CompatFinder(MetaPathFinder, Loader):
    """Finds ``agentscope.x`` as ``voicewire.compat.agentscope.x``; both names are one module object."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module of ours that stands for a name; None for names that are not one of the libraries'."""
        if fullname.partition(".")[0] not in ROOTS:
            return None
        try:
            ours = importlib.util.find_spec(_PREFIX + fullname)
        except ModuleNotFoundError:
            return None
        if ours is None:
            return None
        spec = ModuleSpec(fullname, self, is_package=ours.submodule_search_locations is not None)
        spec.loader_state = ours.name
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Our module itself."""
        return importlib.import_module(str(spec.loader_state))

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: our module was executed when it was imported under its own name.

        Importing under another name has written that name into the module; its own is put back.
        """
        ours = module.__name__ if module.__name__.startswith(_PREFIX) else _PREFIX + module.__name__
        module.__name__ = ours
        module.__spec__ = importlib.util.spec_from_loader(ours, loader=None, origin=module.__file__)


def install() -> CompatFinder:
    """Makes the packages answer to their original names from now on; idempotent.

    They come before packages of those names that are installed. Nothing is written to disk or to the environment,
    so no other process is concerned.
    """
    for finder in sys.meta_path:
        if isinstance(finder, CompatFinder):
            return finder
    finder = CompatFinder()
    sys.meta_path.insert(0, finder)
    return finder


def uninstall() -> None:
    """Takes the hook out, and forgets the modules that it gave."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, CompatFinder)]
    for name in [name for name in sys.modules if name.partition(".")[0] in ROOTS]:
        del sys.modules[name]
