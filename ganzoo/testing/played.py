"""What losses, regularizers and views promise alike: how they behave in the steps of a run."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor

from ganzoo.plugin.attempt import last_place
from ganzoo.plugin.specs import OwnerSpec
from ganzoo.plugin.types import Role
from ganzoo.testing.claims import Claim, same, stirred, unreached
from ganzoo.testing.devices import on_no_device
from ganzoo.testing.examples import UntriedError
from ganzoo.testing.findings import Note
from ganzoo.testing.fresh import update as update_afresh
from ganzoo.testing.scene import ROLES, PlainDiscriminator, Scene, Setting
from ganzoo.training.half_step import total

WARM = 3
"""Steps that are made before something is compared."""
CLOSE = 1e-5


class Played(Protocol):
    """A trial of a component that has a part in steps."""

    @property
    def setting(self) -> Setting:
        """The networks and data it is tried with."""
        ...

    @property
    def spec(self) -> OwnerSpec:
        """The component."""
        ...


def its_terms_and_its_module_are_trained(trial: Played) -> Iterator[str]:
    """Say which terms train nothing, and which weights of its module nothing trains."""
    scene = Scene(trial.setting)
    for module in scene.own.values():
        stirred(module)
    for role in ROLES:
        mine = {} if trial.spec.kind == "view" else terms_by(scene, trial.spec, role)
        trained = list(scene.trained(role))
        parameters = [each for _, module in trained for each in module.parameters()]
        for name, value in mine.items():
            if not bool(torch.isfinite(value)):
                yield f"the {role}'s term '{name}' is {float(value.detach())} in a first step"
            elif not _reaches(value, parameters):
                yield (
                    f"the {role}'s term '{name}' reaches no parameter of the {role}, nor of a "
                    f"module that is trained with it (trained_with = '{trial.spec.trained_with}')"
                )
        if role == trial.spec.trained_with and scene.own:
            loss = total(scene.terms(role))
            if loss.requires_grad:
                loss.backward()  # type: ignore[no-untyped-call]
            for place, module in trained:
                if place != role:
                    yield from (
                        f"{text} in the {role}'s half, with which its module is trained"
                        for text in unreached(module)
                    )


def terms_by(scene: Scene, spec: OwnerSpec, role: Role) -> Mapping[str, Tensor]:
    """Return the terms of the component of the kind of ``spec`` alone."""
    context, players = scene.half(role)
    player = players.loss if spec.kind == "loss" else players.regularizers[0]
    context.own = player.own
    found: Mapping[str, Tensor] = getattr(player.spec, f"{role}_terms")(context)
    return found


def _reaches(term: Tensor, parameters: list[torch.nn.Parameter]) -> bool:
    if not term.requires_grad or not parameters:
        return False
    found = torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
    return any(gradient is not None for gradient in found)


def all_it_remembers_is_in_own(trial: Played) -> Iterator[str]:
    """Say what a step made again from a copy of all state does differently."""
    scene = Scene(trial.setting)
    for number in range(WARM):
        scene.update(number)
    state = copy.deepcopy(scene.state())
    ends = []
    for _ in range(3):
        scene.load(state)
        ends.append({**_numbers(scene.update(WARM)), **_own(scene)})
    for again in ends[1:]:
        if text := _difference(ends[0], again):
            yield (
                f"a step made again from the same state and seed gives {text}: it keeps something "
                "outside of ctx.own (on the class, in a global), or draws from a generator of its "
                "own; what must survive is a buffer of its module()"
            )
            return


def it_goes_on_from_a_checkpoint_in_a_fresh_process(trial: Played) -> Iterator[str]:
    """Say where a run that is resumed in another process differs from one that was not."""
    scene = Scene(trial.setting)
    for number in range(WARM):
        scene.update(number)
    state = scene.state()
    here = _numbers(scene.update(WARM))
    try:
        there = update_afresh(trial.setting, state, WARM)
    except UntriedError as reason:
        yield Note(str(reason))
        return
    if text := _difference(here, _numbers(there)):
        yield (
            f"resumed in a fresh process, the step after the checkpoint gives {text}: state in a "
            "module's globals or on a class is lost; what must survive is a buffer of its module()"
        )


def _numbers(terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach() for name, value in terms.items()}


def _own(scene: Scene) -> dict[str, Tensor]:
    return {
        f"own {name}": each.clone()
        for module in scene.own.values()
        for name, each in module.named_buffers()
    }


def _difference(first: Mapping[str, Tensor], again: Mapping[str, Tensor]) -> str:
    """Return "'d/lecam' = 0.3 and then 0.5", or nothing."""
    if first.keys() != again.keys():
        return f"{', '.join(first)} and then {', '.join(again)}"
    for name, value in first.items():
        if not same(value.double(), again[name].double(), CLOSE):
            numbers = [
                f"{float(each):.6g}" if each.numel() == 1 else "other numbers"
                for each in (value, again[name])
            ]
            return f"'{name}' = {numbers[0]} and then {numbers[1]}"
    return ""


def makes_its_tensors_where_the_images_are(trial: Played) -> Iterator[str]:
    """Say where a step on the meta device meets a tensor of another."""
    said: list[str] = []
    scene = Scene(trial.setting, "meta")
    with on_no_device(said):
        scene.update(0)
    yield from said


def works_under_bfloat16(trial: Played) -> Iterator[str]:
    """Say what goes wrong in steps whose networks compute in bfloat16."""
    scene = Scene(trial.setting, cast=torch.bfloat16)
    for number in range(2):
        for name, value in scene.update(number).items():
            if not bool(torch.isfinite(value)):
                yield f"term '{name}' is {float(value)} where networks compute in bfloat16"


def loses_nothing_in_joint_batches(trial: Played) -> Iterator[str]:
    """Say what is missing where real images and fakes are scored in one pass."""
    apart = _numbers(Scene(trial.setting).update(0))
    try:
        joint = _numbers(Scene(replace(trial.setting, batching="joint")).update(0))
    except Exception as error:  # noqa: BLE001
        yield (
            f"with step.batching = 'joint' it fails: {type(error).__name__}: {error}"
            f"{last_place(error)}; what a network says beside its main tensor comes through joint "
            "batches by name alone"
        )
        return
    is_single = isinstance(trial.setting.discriminator, PlainDiscriminator)
    if is_single and (text := _difference(apart, joint)):
        yield f"with step.batching = 'separate' and then 'joint' the first step gives {text}"


CLAIMS: tuple[Claim[Played], ...] = (
    its_terms_and_its_module_are_trained,
    all_it_remembers_is_in_own,
    it_goes_on_from_a_checkpoint_in_a_fresh_process,
    makes_its_tensors_where_the_images_are,
    works_under_bfloat16,
    loses_nothing_in_joint_batches,
)
