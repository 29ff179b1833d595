"""What somebody may have meant who typed something else: the words of other tools, in one line."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import click

from ganzoo.common.errors import GanzooError, suggest

BEGIN = "fast_digits"
"""The recipe to begin with: quick, and nothing to download."""
TAKES_MODELS = {"sample", "play", "export", "invert"}
"""Verbs whose RUN may also be a trained model."""
VERBS = {
    "train": "run", "fit": "run", "start": "run", "begin": "run", "launch": "run",
    "continue": "resume", "restart": "resume",
    "sweep": "ablate", "ablation": "ablate", "grid": "ablate", "search": "ablate", "tune": "ablate",
    "generate": "sample", "predict": "sample", "infer": "sample", "images": "sample",
    "eval": "measure", "evaluate": "measure", "score": "measure", "fid": "measure",
    "val": "measure", "test": "measure", "metrics": "measure",
    "diff": "compare", "convert": "export", "save": "export", "benchmark": "bench",
    "profile": "bench", "validate": "check", "lint": "check", "info": "show", "describe": "show",
    "download": "data get", "fetch": "data get", "datasets": "list data", "recipes": "list recipes",
    "models": "list models", "losses": "list losses",
    "init": "new recipe", "create": "new recipe", "help": "-h", "version": "--version",
    "checks": "doctor", "settings": "doctor",
    "remove": "runs remove", "delete": "runs remove", "rm": "runs remove", "prune": "runs prune",
    "stop": "runs stop", "kill": "runs stop", "logs": "runs logs", "log": "runs logs",
    "tail": "runs logs", "follow": "runs logs", "tag": "runs tag", "note": "runs note",
    "history": "runs", "status": "runs", "ps": "runs",
}  # fmt: skip
"""Verbs of other tools, and what they are called here."""
WITHIN = {
    "rm": "remove", "delete": "remove", "del": "remove", "kill": "stop", "log": "logs",
    "tail": "logs", "follow": "logs", "clean": "prune", "download": "get", "fetch": "get",
    "inspect": "look", "test": "check",
}  # fmt: skip
"""Verbs of other tools, and what they are called in a group like ``runs``."""
LEARNING_RATE = ("optimizer.generator.lr", "optimizer.discriminator.lr")
KEYS = {
    "epochs": ("train.epochs",), "n_epochs": ("train.epochs",), "num_epochs": ("train.epochs",),
    "steps": ("train.steps",), "max_steps": ("train.steps",), "iterations": ("train.steps",),
    "batch_size": ("train.batch_size",), "batch": ("train.batch_size",),
    "lr": LEARNING_RATE, "learning_rate": LEARNING_RATE, "lr_g": LEARNING_RATE[:1],
    "lr_d": LEARNING_RATE[1:],
    "latent_size": ("latent.size",), "latent_dim": ("latent.size",), "z_dim": ("latent.size",),
    "nz": ("latent.size",),
    "dataset": ("dataset.use",), "loss": ("loss.use",),
    "optimizer": ("optimizer.generator.use", "optimizer.discriminator.use"),
    "shuffle": ("train.order",), "log_every": ("train.log_every",), "random_seed": ("train.seed",),
    "save_every": ("checkpoint.every",), "sample_every": ("samples.every",),
}  # fmt: skip
"""Options of other programs that are keys of a recipe here."""
OPTIONS = {
    "gpu": "--device cuda", "cuda": "--device cuda", "cpu": "--device cpu", "mps": "--device mps",
    "gpus": "--processes N", "num_gpus": "--processes N", "nproc": "--processes N",
    "data_dir": "--data DIR", "data_root": "--data DIR", "dataroot": "--data DIR",
    "output": "--out DIR", "output_dir": "--out DIR", "outdir": "--out DIR",
    "save_dir": "--out DIR", "project": "--out DIR", "runs": "--out DIR",
    "num_workers": "--workers N", "n_workers": "--workers N", "num_samples": "-n N", "n": "-n N",
    "fp16": "--precision bf16", "bf16": "--precision bf16", "amp": "--precision bf16",
    "wandb": "--track wandb", "tensorboard": "--track tensorboard", "exp_name": "--name NAME",
    "plugins": "--plugin FILE", "class": "--label CLASS", "format": "--to FORMAT",
}  # fmt: skip
"""Options of other programs, and what they are called here."""
VALUE = "VALUE"
NUMBERS = {"integer": "whole number", "float": "number"}
IN_PLAIN_WORDS = re.compile(r"not a valid (integer|float)(?: range)?(?=\.$)")
"""What click says of a word where a number belongs."""


def verb_meant(word: str) -> str:
    """Return what a verb of another tool is called here, or an empty string."""
    return VERBS.get(word.lower(), "")


def verb_within(word: str, known: Sequence[str], others: Collection[str]) -> str:
    """Return which verb of a group was meant, or which one of ganzoo's own; or an empty string.

    Args:
        known: the group's verbs.
        others: ganzoo's own.
    """
    if WITHIN.get(word) in known:
        return WITHIN[word]
    if word in others and not suggest(word, known):
        return f"ganzoo {word}"
    return ""


def hinted(
    command: click.Command, error: click.UsageError, words: Sequence[str]
) -> click.UsageError:
    """Return the error to show: with what was meant, where that is known.

    Args:
        words: what stood behind the command's name.
    """
    if isinstance(error, click.NoSuchOption):
        unknown = _unknown(command, words) or [error.option_name]
        hint = _options_meant(command, unknown, words)
        several = "s" if len(unknown) > 1 else ""
        said = f"No such option{several} {', '.join(map(repr, unknown))}."
    elif isinstance(error, click.MissingParameter) and error.param is not None:
        said = " ".join(error.format_message().split())  # click lists choices one a line
        has_choices = isinstance(error.param.type, click.Choice)
        known = _missing(command, str(error.param.metavar or ""))
        hint = known or ("" if has_choices else _example(command, words))
    elif isinstance(error, click.BadParameter):
        plain = IN_PLAIN_WORDS.sub(lambda found: f"not a {NUMBERS[found[1]]}", error.message)
        return click.BadParameter(plain, error.ctx, error.param, error.param_hint)
    else:
        return error
    return click.UsageError(" ".join(filter(None, [said, hint])), error.ctx)


def _unknown(command: click.Command, words: Sequence[str]) -> list[str]:
    """Return all options that are keys of the recipe here: the parser tells the first alone."""
    own = _own(command)
    named = [word.partition("=")[0] for word in words if word.startswith("--")]
    return [word for word in dict.fromkeys(named) if word not in own and _plain(word) in KEYS]


def _own(command: click.Command) -> set[str]:
    return {flag for each in command.params for flag in each.opts}


def _plain(option: str) -> str:
    return option.lstrip("-").replace("-", "_").lower()


def _options_meant(command: click.Command, options: Sequence[str], words: Sequence[str]) -> str:
    own, option = _own(command), options[0]
    name = _plain(option)
    if name in KEYS and "--set" in own:
        changes = [
            f"--set {key}={_value_of(each, words)}"
            for each in options
            for key in KEYS[_plain(each)]
        ]
        return f"That is set in the recipe; to change it: {' '.join(changes)}"
    if name in KEYS and command.name == "ablate":
        return "That is set in the ablation's file, under [budget] or [recipe]"
    if name in OPTIONS and OPTIONS[name].split()[0] in own:
        return f"Use {OPTIONS[name]}"
    if name in {"config", "recipe", "cfg"} and "--set" in own:
        return f"The recipe needs no option: ganzoo {command.name} {_value_of(option, words)}"
    return ""


def _value_of(option: str, words: Sequence[str]) -> str:
    """Return what was given with an option that nobody knows."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        if name == option:
            found = value if equals else following
            return found if found and not found.startswith("--") else VALUE
    return VALUE


def _missing(command: click.Command, metavar: str) -> str:
    if metavar == "RECIPE":
        return f"Begin with: ganzoo {command.name} {BEGIN}; all recipes: ganzoo list recipes"
    if metavar == "RUN":
        trained = "; a shipped model: zoo:fast_digits" if command.name in TAKES_MODELS else ""
        return f"The newest run: ganzoo {command.name} last; all runs: ganzoo runs{trained}"
    if metavar == "FILE" and command.name == "ablate":
        return "Begin with: ganzoo ablate transpose_vs_upsample --dry-run"
    return ""


def _example(command: click.Command, words: Sequence[str]) -> str:
    """Return an example of the command's page, one with an option of ``words`` if there is."""
    examples = [each.strip().partition("  ")[0] for each in getattr(command, "examples", ())]
    options = {word for word in words if word.startswith("-")}
    fitting = [each for each in examples if options & {*each.split()}]
    return f"For example: {(fitting or examples)[0]}" if examples else ""


def recipe_file(name: str) -> Path:
    """Return the file of a recipe that is to be run, as ``find_recipe`` does.

    Raises:
        GanzooError: if there is none; in one line where it is something else, with what to type.
    """
    from ganzoo.recipe.source import find_recipe, shipped, shipped_ablations
    from ganzoo.runs.folder import is_run

    stem = name.removesuffix(".toml")
    is_there = os.path.lexists(name)
    if not is_there and stem not in shipped():
        if stem in shipped_ablations():
            raise GanzooError(f"'{stem}' is an ablation, not a recipe: ganzoo ablate {stem}")
        if name == "last":
            raise GanzooError("'last' is a run, not a recipe: ganzoo resume last")
    if is_there and is_run(Path(name)):
        raise GanzooError(
            f"'{name}' is a run, not a recipe; to resume it: ganzoo resume {name}; to reproduce "
            f"it: ganzoo run {Path(name) / 'recipe.toml'}"
        )
    path = find_recipe(name)
    keys = keys_of_file(path)
    if {"base", "seeds"} <= keys or ("base" in keys and keys & {"variants", "axes"}):
        raise GanzooError(f"'{name}' is an ablation, not a recipe: ganzoo ablate {name}")
    return path


def refuse_recipe(name: str) -> None:
    """Do nothing where ``name`` may well be an ablation.

    Raises:
        GanzooError: if it is a recipe.
    """
    from ganzoo.recipe.source import shipped, shipped_ablations

    stem = name.removesuffix(".toml")
    if os.path.isfile(name):
        keys = keys_of_file(Path(name))
        is_recipe = "base" not in keys and bool(keys & {"extends", "train", "generator", "loss"})
    else:
        is_recipe = stem in shipped() and stem not in shipped_ablations()
    if is_recipe:
        raise GanzooError(f"'{name}' is a recipe, not an ablation: ganzoo run {name}")


def keys_of_file(path: Path) -> set[str]:
    """Return the keys at the root of a TOML file; none of what is no such file."""
    from ganzoo.recipe.problems import RecipeError
    from ganzoo.recipe.toml import parse

    try:
        found = parse(path).value
    except RecipeError:
        return set()
    return set(found) if isinstance(found, Mapping) else set()
