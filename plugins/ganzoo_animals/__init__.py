"""The trained models that come with ganzoo: small ones, for a first picture in seconds."""

from pathlib import Path

from ganzoo.api import TrainedModel, hookimpl

GANZOO_API = 1
HERE = Path(__file__).parent
MODELS: tuple[tuple[str, str, str], ...] = (
    (
        "fast_digits",
        "Handwritten digits 0 to 9, asked for by class; after scikit-learn's digits.",
        "6253c9cdbfe1c9928a9c3572f9621ff2a0feda8848058de6e109948e8dc0e082",
    ),
    (
        "fast_mnist",
        "Handwritten digits 0 to 9, asked for by class; after MNIST.",
        "aebb285f8ed9ac22782c14118473f1dbfe75b8258cc18f0688959b14fdea8979",
    ),
    (
        "fast_mnist_unconditional",
        "Handwritten digits, as they come; after MNIST.",
        "af123afdfb1c266c824b49b38e67072f992502fc798d61e90d6b3d8aaa57421b",
    ),
    (
        "fast_ring",
        "Points of eight Gaussians on a ring, all of its modes.",
        "24aa2d7c801d87a573c36b085f8267f21054eb091c36c42f8a724b64daffbbbc",
    ),
)
"""Name, what it makes, SHA-256 of its weights."""


@hookimpl
def ganzoo_models() -> list[TrainedModel]:
    """Ship the models of this package, each a folder with the recipe that trained it."""
    return [TrainedModel(name, about, HERE / name, sha256) for name, about, sha256 in MODELS]
