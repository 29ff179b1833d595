"""Who is measured: ganzoo's loop, the loop tutorials teach, and the bare arithmetic."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from benchmarks.works import Work
from ganzoo.common.data_root import DataRoot
from ganzoo.training import loop as train
from ganzoo.training.machine import Machine
from ganzoo.training.parts import Parts, assemble
from ganzoo.training.state import Silent

Step = Callable[[], object]


def ganzoo_parts(work: Work, machine: Machine, *overrides: str) -> tuple[Parts, Any]:
    """Build what ``ganzoo run`` builds."""
    recipe, registry = work.load(*overrides)
    root = DataRoot(Path(), download=False)
    return assemble(recipe, registry, root, machine, warn=print), registry


def ganzoo_loop(work: Work, machine: Machine, *overrides: str) -> Step:
    """Return one turn of the loop of ``ganzoo run``: step, watch, log; a real run folder."""
    parts, registry = ganzoo_parts(work, machine, *overrides)
    run = train.new_run(parts, Path(tempfile.mkdtemp(prefix="ganzoo-bench-")), work.name)
    return train.at_the_start(parts, registry, run, Silent()).advance


class Pictures(Dataset[tuple[Tensor, int]]):
    """Images as torchvision's datasets hand them out: PIL, resized, a tensor, normalised."""

    def __init__(self, images: Tensor) -> None:
        from torchvision import transforms

        side, channels = images.shape[-1], images.shape[1]
        self.images = images
        self.transform = transforms.Compose(
            [
                transforms.Resize(side),
                transforms.ToTensor(),
                transforms.Normalize((0.5,) * channels, (0.5,) * channels),
            ]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        from PIL import Image

        pixels = self.images[index]
        array = pixels[0].numpy() if len(pixels) == 1 else pixels.permute(1, 2, 0).numpy()
        image: Tensor = self.transform(Image.fromarray(array))
        return image, 0


def naive_loop(work: Work, machine: Machine, *, workers: int) -> Step:
    """Return one turn of the loop of pytorch/examples' dcgan: DataLoader, ``.item()`` each step."""
    recipe, _ = work.load()
    images = recipe.dataset.build(DataRoot(Path())).images
    assert isinstance(images, Tensor)
    device = machine.device
    loader = DataLoader(
        Pictures(images),
        batch_size=recipe.train.batch_size,
        shuffle=True,
        num_workers=workers,
        drop_last=True,
    )
    torch.manual_seed(0)
    generator, discriminator = (network.to(device).train() for network in work.networks())
    criterion = nn.BCEWithLogitsLoss()
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    batches = without_end(loader)

    def turn() -> tuple[float, ...]:
        discriminator.zero_grad()
        real = next(batches)[0].to(device)
        size = real.size(0)
        label = torch.full((size,), 1.0, dtype=real.dtype, device=device)
        output = discriminator(real).view(-1)
        error_real = criterion(output, label)
        error_real.backward()
        d_x = output.mean().item()

        noise = torch.randn(size, 100, device=device)
        fake = generator(noise)
        label.fill_(0.0)
        output = discriminator(fake.detach()).view(-1)
        error_fake = criterion(output, label)
        error_fake.backward()
        d_g_z1 = output.mean().item()
        error_d = error_real + error_fake
        optimizer_d.step()

        generator.zero_grad()
        label.fill_(1.0)
        output = discriminator(fake).view(-1)
        error_g = criterion(output, label)
        error_g.backward()
        d_g_z2 = output.mean().item()
        optimizer_g.step()
        return error_d.item(), error_g.item(), d_x, d_g_z1, d_g_z2

    return turn


def bare_loop(work: Work, machine: Machine) -> Step:
    """Return ganzoo's arithmetic and nothing else: its networks, its optimizers, its loss."""
    parts, _ = ganzoo_parts(work, machine)
    recipe = parts.recipe
    images = parts.data.images
    assert isinstance(images, Tensor)
    images, size = images.to(machine.device), recipe.train.batch_size
    generator, discriminator = parts.generator.network, parts.discriminator.network
    moved = parts.discriminator.moved
    place = 0

    def turn() -> None:
        nonlocal place
        place = (place + size) % (len(images) - size)
        real = images[place : place + size].float().mul_(2 / 255).sub_(1)
        fake = generator(torch.randn(size, recipe.latent.size, device=machine.device))
        on_real = -F.logsigmoid(discriminator(real)).mean()
        on_fake = -F.logsigmoid(-discriminator(fake.detach())).mean()
        (on_real + on_fake).backward()
        parts.discriminator.optimizer.step()
        parts.discriminator.optimizer.zero_grad()
        for parameter in moved:
            parameter.requires_grad_(False)
        (-F.logsigmoid(discriminator(fake)).mean()).backward()
        for parameter in moved:
            parameter.requires_grad_(True)
        parts.generator.optimizer.step()
        parts.generator.optimizer.zero_grad()

    return turn


def without_end(loader: DataLoader[Any]) -> Iterator[list[Tensor]]:
    """Yield batches, epoch after epoch."""
    while True:
        yield from loader
