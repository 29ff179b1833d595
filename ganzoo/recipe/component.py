"""The component a table chooses with ``use``, validated by that component's own spec."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError, core_schema

from ganzoo.common.errors import GanzooError
from ganzoo.plugin.describe import KIND
from ganzoo.plugin.kinds import KINDS
from ganzoo.plugin.limits import signals_noted
from ganzoo.plugin.specs import Spec
from ganzoo.recipe.messages import listed, quoted

if TYPE_CHECKING:
    from ganzoo.plugin.registry import Registry


class ByUse:
    """Annotate a field of a kind of spec with this: the table's ``use`` names the spec.

    The registry comes as validation context, ``{"registry": registry}``. A native discriminated
    union would put its tags into the paths of errors, and could not name broken plugins.
    """

    def __get_pydantic_core_schema__(
        self,
        source: type[Spec],
        handler: GetCoreSchemaHandler,
    ) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(
            partial(_chosen, source),
            serialization=core_schema.plain_serializer_function_ser_schema(_with_use),
            metadata={"kind": source.kind},
        )

    def __get_pydantic_json_schema__(
        self,
        schema: core_schema.CoreSchema,
        handler: GetJsonSchemaHandler,
    ) -> dict[str, Any]:
        return {KIND: schema.get("metadata", {})["kind"]}


def example(kind: str, registry: Registry) -> str:
    """Return a line that chooses a component, and which there are."""
    names = list(registry.specs(kind))
    if not names:
        return f"use = ...; no {kind} is installed"
    return f'use = "{names[0]}"; there {"are" if len(names) > 1 else "is"} {listed(names)}'


def _chosen(kind: type[Spec], value: Any, info: ValidationInfo) -> Spec:
    if isinstance(value, kind):
        return value
    assert info.context is not None, "a recipe is read by recipe.check, which knows the registry"
    registry: Registry = info.context["registry"]
    if not isinstance(value, dict):
        raise _mistake(f"needs a table, got {quoted(value)}; with {example(kind.kind, registry)}")
    use = value.get("use", KINDS[kind.kind].default or None)
    if use is None:
        raise _at_use(value, f"missing; add e.g. {example(kind.kind, registry)}")
    if not isinstance(use, str):
        raise _at_use(
            use, f"needs a name in quotes, got {quoted(use)}; e.g. {example(kind.kind, registry)}"
        )
    try:
        spec = registry.find(kind.kind, use)
    except GanzooError as error:
        raise _at_use(use, str(error)) from None
    fields = {key: one for key, one in value.items() if key != "use"}
    with signals_noted() as is_stop:
        try:
            return spec.model_validate(fields, context=info.context)
        except ValidationError:
            raise
        except GanzooError as error:
            raise _mistake(str(error)) from error
        except BaseException as error:  # a plugin's own check of its table
            if is_stop(error):
                raise
            raise _mistake(
                f"{kind.kind} {use!r} failed while checking its table ({error!r}); report it to "
                "its author"
            ) from error


def _mistake(message: str) -> PydanticCustomError:
    return PydanticCustomError("component", "{message}", {"message": message})


def _at_use(value: object, message: str) -> ValidationError:
    details = InitErrorDetails(type=_mistake(message), loc=("use",), input=value)
    return ValidationError.from_exception_data("component", [details])


def _with_use(spec: Spec) -> dict[str, Any]:
    own = spec.model_dump(exclude_none=True)
    # What goes without saying is not said: recipes of before have the digest they had.
    return own if spec.use == default_of(spec) else {"use": spec.use, **own}


def default_of(spec: object) -> str:
    """Return the component that a table of the spec's kind chooses without ``use``; '' if none."""
    kind = KINDS.get(getattr(spec, "kind", ""))
    return "" if kind is None else kind.default
