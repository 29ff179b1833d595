"""Every kind of component, a row each: what the rest of ganzoo knows of a kind is read here.

Components are listed and looked for by name without their specs, and so without pydantic.

A new kind is a class in ``specs``, a row below, a field of the recipe at its place, a module of
``ganzoo.testing`` and a template of ``scaffold``, both named after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from ganzoo.common.errors import GanzooError, suggest

if TYPE_CHECKING:
    from ganzoo.common.tables import Keys
    from ganzoo.plugin.specs import Spec


@dataclass(frozen=True)
class Kind:
    """A kind of component.

    Attributes:
        name: what a spec and a recipe call it: 'loss'.
        plural: names its hook, ``ganzoo_losses``, and its module in ``ganzoo.testing``.
        place: where a recipe chooses it, under the kind's name: one table, a list of tables, or a
            table for each network.
        must_define: methods that every component has.
        must_define_one: methods without any of which a component does nothing.
        sees_views: whether it is given what views make of the images, and so their labels.
        asked: what ``ganzoo.testing.check`` may be told for it.
        also: other words for it on the command line.
        default: the component that a table without ``use`` chooses, and that a recipe has which
            says nothing; '' where a recipe has to choose.
        module: has the class that its components derive from.
    """

    name: str
    plural: str
    place: Literal["table", "list", "networks"]
    must_define: tuple[str, ...] = ()
    must_define_one: tuple[str, ...] = ()
    sees_views: bool = False
    asked: frozenset[str] = frozenset()
    also: tuple[str, ...] = ()
    default: str = ""
    module: str = "ganzoo.plugin.specs"

    @property
    def base(self) -> str:
        """The name of the class that its components derive from."""
        return f"{self.name.capitalize()}Spec"

    @property
    def spec(self) -> type[Spec]:
        """The class that its components derive from."""
        found: type[Spec] = getattr(import_module(self.module), self.base)
        return found

    @property
    def hook(self) -> str:
        """The hook that supplies its specs."""
        return f"ganzoo_{self.plural}"

    @property
    def checks(self) -> str:
        """The module that checks its components."""
        return f"ganzoo.testing.{self.plural}"

    @property
    def template(self) -> str:
        """The file that a new component begins from."""
        return f"{self.name}.py.txt"

    def choosing(self, use: str) -> str:
        """Return the words of a command that make a run use the component ``use``."""
        if self.place == "list":
            return f"--set '{self.name}=[{{use=\"{use}\"}}]'"
        role = ".generator" if self.place == "networks" else ""
        return f"--set {self.name}{role}.use={use}"

    def tables(self, recipe: Mapping[str, Any]) -> Iterator[tuple[Keys, Mapping[str, Any]]]:
        """Yield its tables in a recipe that nobody has checked yet, each after its keys."""
        found = recipe.get(self.name)
        inner: list[tuple[Keys, Any]] = [((self.name,), found)]
        if self.place == "list":
            several = found if isinstance(found, list) else []
            inner = [((self.name, at), one) for at, one in enumerate(several)]
        elif self.place == "networks":
            roles = found if isinstance(found, dict) else {}
            inner = [((self.name, role), one) for role, one in roles.items()]
        yield from ((keys, table) for keys, table in inner if isinstance(table, dict))


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "generator",
            "generators",
            "table",
            must_define=("build",),
            asked=frozenset({"program"}),
        ),
        Kind("discriminator", "discriminators", "table", must_define=("build",), sees_views=True),
        Kind(
            "loss",
            "losses",
            "table",
            must_define=("discriminator_terms", "generator_terms"),
            sees_views=True,
            asked=frozenset({"beside"}),
        ),
        Kind(
            "regularizer",
            "regularizers",
            "list",
            must_define_one=("discriminator_terms", "generator_terms", "constrain"),
            sees_views=True,
            asked=frozenset({"expected", "beside"}),
        ),
        Kind(
            "dataset",
            "datasets",
            "table",
            must_define=("build",),
            asked=frozenset({"root"}),
            also=("data",),
        ),
        Kind("optimizer", "optimizers", "networks", must_define=("build",)),
        Kind("metric", "metrics", "list", must_define=("meter",)),
        Kind("view", "views", "list", must_define=("apply",), asked=frozenset({"beside"})),
        Kind("step", "steps", "table", must_define=("update",), default="adversarial"),
    )
}
"""Every kind by its name, in the order in which kinds are listed."""


def kind_named(name: str) -> Kind:
    """Return the kind of that name.

    Raises:
        GanzooError: with the nearest name and all there are.
    """
    if name not in KINDS:
        near = suggest(name, KINDS, then=f"there are {', '.join(KINDS)}")
        raise GanzooError(f"no kind named {name!r}{near}")
    return KINDS[name]
