"""Stage 4: lay each heatmap over its mammogram, as a picture to look at."""

import argparse
from pathlib import Path

import images
import overlays
import stage


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image-path", type=Path, required=True, help="where the cropped PNGs are")
    parser.add_argument("--heatmap-path", type=Path, required=True, help="where generate_heatmaps put its maps")
    parser.add_argument("--output-path", type=Path, required=True, help="where <image>_<kind>.png go")
    parser.add_argument(
        "--absolute",
        action="store_true",
        help="colour probabilities 0 to 1; without it each map is stretched to its own range, as in the original",
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    # The kind comes from the map's own folder: an exam's name may well contain the word "malignant".
    work = [
        (path, kind)
        for kind in ("malignant", "benign")
        for path in sorted((options.heatmap_path / f"heatmap_{kind}").glob("*.hdf5"))
    ]
    if not work:
        raise stage.StageError(f"{options.heatmap_path}: no heatmaps; run generate_heatmaps first")

    def draw(item: tuple[Path, str]) -> None:
        path, kind = item
        mammogram = images.read_mammogram(options.image_path / f"{path.stem}.png")
        heatmap = images.read_heatmap(path, mammogram.shape)
        picture = overlays.overlay(mammogram, heatmap, kind, options.absolute)
        images.write_png(picture, options.output_path / f"{path.stem}_{kind}.png")

    stage.in_parallel(draw, work, stage.available_processors())


if __name__ == "__main__":
    stage.run(main)
