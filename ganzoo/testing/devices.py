"""The device that computes nothing: whether every tensor is made where the images are."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten
from torch.utils.weak import WeakTensorKeyDictionary

from ganzoo.common.errors import GanzooError
from ganzoo.plugin.attempt import last_place
from ganzoo.testing.findings import Note

TORCH = str(Path(torch.__file__).parent)
GANZOO = str(Path(__file__).parents[1])
MOVES = frozenset({"aten::_to_copy", "aten::copy_", "aten::index", "aten::index_put_"})
"""What may take tensors of two devices: copies, and indices, which may lie on the CPU."""


class WrongDeviceError(GanzooError):
    """Two tensors of one operation lie on different devices."""


class OneDevice(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Raises where an operation mixes the meta device with another, and says who made what."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.made: Any = WeakTensorKeyDictionary()
        """Where each tensor on the CPU was made."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Look at the tensors of an operation, then let it happen."""
        kwargs = kwargs or {}
        given = [each for each in tree_flatten((args, kwargs))[0] if isinstance(each, Tensor)]
        here = [each for each in given if each.device.type == "meta"]
        apart = [each for each in given if each.device.type != "meta" and each.ndim]
        if here and apart and func._schema.name not in MOVES:
            self._refuse(apart[0])
        found = func(*args, **kwargs)
        if not here:
            place = next((self.made[each] for each in apart if each in self.made), author())
            for each in tree_flatten(found)[0]:
                if isinstance(each, Tensor) and each.device.type != "meta":
                    self.made[each] = place
        return found

    def _refuse(self, tensor: Tensor) -> None:
        shape, used = list(tensor.shape), author()
        if place := self.made.get(tensor):
            raise WrongDeviceError(
                f"{place} makes a tensor {shape} on the CPU, wherever the images are; make it "
                "where they are: device=images.device"
            )
        raise WrongDeviceError(
            f"{used} uses a tensor {shape} that stays on the CPU: keep it with register_buffer(), "
            "which moves with its module"
        )


def author() -> str:
    """Return ``file:line`` of the innermost frame outside torch and ganzoo."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith((TORCH, GANZOO)) and "/torch/" not in file:
            return f"{file}:{frame.f_lineno}"
        frame = frame.f_back
    return "it"


@contextmanager
def on_no_device(said: list[str]) -> Iterator[None]:
    """Run a block in which nothing is computed; what is wrong in it is added to ``said``.

    What cannot be known without numbers ends the block with a note: it makes every step wait.
    """
    try:
        with OneDevice():
            yield
    except WrongDeviceError as error:
        said.append(str(error))
    except Exception as error:  # noqa: BLE001  found by the checks with numbers, if it is a fault
        if "meta" in str(error) or isinstance(error, NotImplementedError):
            said.append(
                Note(
                    "it reads numbers back from the device, so that a GPU is waited for and a step "
                    f"cannot be captured in a CUDA graph{last_place(error)}"
                )
            )
        else:
            text = f"{type(error).__name__}: {error}{last_place(error)}"
            said.append(Note(f"not tried on a device without numbers: {text}"))
