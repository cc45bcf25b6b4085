"""Stage 5: say how probable benign and malignant findings are in each breast, from images or with heatmaps too."""

import argparse
import csv
from pathlib import Path

import checkpoints
import devices
import exam_classifier
import exam_list
import stage
from exam_predictor import ExamPredictor, read_channels


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--model-mode", choices=("view_split",), default="view_split", help="the published models' (%(default)s)"
    )
    parser.add_argument("--model-path", type=Path, required=True, help="the image or the image-and-heatmaps model")
    parser.add_argument("--data-path", type=Path, required=True, help="the exam list with the centres")
    parser.add_argument("--image-path", type=Path, required=True, help="where the cropped PNGs are")
    parser.add_argument("--output-path", type=Path, required=True, help="the CSV of predictions, a row an exam")
    parser.add_argument(
        "--batch-size", type=stage.positive_int, default=1, help="accepted for the original's sake; changes nothing"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the windows' noise (%(default)s)")
    parser.add_argument("--use-heatmaps", action="store_true", help="the model takes heatmaps too")
    parser.add_argument("--heatmaps-path", type=Path, help="where generate_heatmaps put them")
    parser.add_argument("--use-augmentation", action="store_true", help="move and resize the windows at each epoch")
    parser.add_argument("--use-hdf5", action="store_true", help="accepted for the original's sake; images are PNGs")
    parser.add_argument("--num-epochs", type=stage.positive_int, default=1, help="looks at each exam (%(default)s)")
    parser.add_argument(
        "--exam-id", action="append", default=[], help="an exam's name for the second CSV; once for each exam"
    )
    devices.add_arguments(parser, ("fp32", "bf16"))
    options = parser.parse_args(arguments)
    if options.use_heatmaps and options.heatmaps_path is None:
        parser.error("--use-heatmaps needs --heatmaps-path")
    return options


def named_path(path: Path) -> Path:
    """Where the predictions with their exams' ids go: beside the CSV that the original writes."""
    return path.with_name(f"{path.stem}_by_exam{path.suffix}")


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    exams = exam_list.load_exam_list(options.data_path, after_centers=True)
    exam_list.require_all_views(exams)
    ids = exam_list.exam_ids(exams, options.exam_id)
    device = devices.choose(options.device_type, options.gpu_number)
    network = exam_classifier.load(options.model_path, channels=3 if options.use_heatmaps else 1)
    predictor = ExamPredictor(
        network,
        device,
        precision=options.precision,
        seed=options.seed,
        augment=options.use_augmentation,
        epochs=options.num_epochs,
    )
    heatmaps_path = options.heatmaps_path if options.use_heatmaps else None
    rows = [predictor.predict(exam, read_channels(exam, options.image_path, heatmaps_path)) for exam in exams]

    with stage.whole_file(options.output_path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(exam_list.LABELS)
        writer.writerows([f"{value:.4f}" for value in row] for row in rows)
    # The original's CSV says neither which exam nor which model; this one does.
    model = f"{options.model_path.name}:{checkpoints.digest(options.model_path)}"
    with stage.whole_file(named_path(options.output_path)) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["exam_id", *exam_list.LABELS, "model"])
        for name, row in zip(ids, rows, strict=True):
            writer.writerow([name, *(f"{value:.4f}" for value in row), model])


if __name__ == "__main__":
    stage.run(main)
