"""``python -m benchmarks.codes RUN ...``: how far a categorical code agrees with the class.

Makes the same number of images for each value of a generator's first code, from the same latents,
lets the dataset's own classifier read them, and prints the normalised mutual information of code
and class (by the arithmetic mean of both entropies, scikit-learn's default), the class that each
value makes most often, and how many classes are made so; then the mean over runs.
"""

from __future__ import annotations

import argparse
import sys

import torch
from sklearn.metrics import normalized_mutual_info_score

import ganzoo
from ganzoo.common.data_root import DataRoot, data_root
from ganzoo.measure.classifier import classifier
from ganzoo.report.sheets import to_pixels


def main(arguments: list[str] | None = None) -> int:
    """Print the agreement of each run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.codes", description=__doc__)
    parser.add_argument("runs", nargs="+", help="folders of finished runs with generator.codes")
    parser.add_argument("--each", type=int, default=200, help="images of each value")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    root, found = DataRoot(data_root()), []
    for name in asked.runs:
        run = ganzoo.open_run(name)
        spec = run.recipe.dataset
        network = classifier(spec, spec.build(root, "train"), root)
        values: int = run.recipe.generator.model_dump()["codes"][0]
        codes, classes = list[int](), list[int]()
        for value in range(values):
            images = run.generator.changed(code=[value]).sample(asked.each)
            seen = network.see(to_pixels(images, images.shape_of_image))
            assert seen.probabilities is not None
            codes += [value] * asked.each
            classes += seen.probabilities.argmax(1).tolist()
        table = torch.zeros(values, network.num_classes, dtype=torch.long)
        table.index_put_(
            (torch.tensor(codes), torch.tensor(classes)), torch.tensor(1), accumulate=True
        )
        most = table.argmax(1).tolist()
        found.append(normalized_mutual_info_score(classes, codes))
        print(
            f"{name}: {found[-1]:.3f}; values make {most}, {len(set(most))} classes, "
            f"{table.max(1).values.sum() / table.sum():.3f} of the images as their value's class"
        )
    if len(found) > 1:
        print(f"mean {sum(found) / len(found):.3f}, {min(found):.3f} to {max(found):.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
