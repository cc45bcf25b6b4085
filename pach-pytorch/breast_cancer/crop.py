"""Stage 1: cut the breast out of each mammogram, and note where it was and how far it reaches."""

import argparse
from pathlib import Path

import exam_list
import geometry
import images
import stage


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--input-data-folder", type=Path, required=True, help="where the exam list's PNGs are")
    parser.add_argument("--output-data-folder", type=Path, required=True, help="where the cropped PNGs go")
    parser.add_argument("--exam-list-path", type=Path, required=True)
    parser.add_argument("--cropped-exam-list-path", type=Path, required=True, help="the list with what crop found out")
    parser.add_argument(
        "--num-processes", type=stage.positive_int, default=10, help="images at a time, at most one a processor"
    )
    parser.add_argument(
        "--num-iterations",
        type=stage.natural_number,
        default=geometry.DEFAULT_ITERATIONS,
        help="erosion steps that separate the breast from markers; 0: no erosion (%(default)s)",
    )
    parser.add_argument(
        "--buffer-size", type=stage.natural_number, default=geometry.DEFAULT_BUFFER, help="pixels around (%(default)s)"
    )
    parser.add_argument(
        "--background-threshold",
        type=stage.natural_number,
        default=0,
        help="pixels up to this value are background, for scanners whose background is not 0; later stages find it "
        "in the exam list (%(default)s)",
    )
    parser.add_argument(
        "--allow-missing-views", action="store_true", help="take exams without all four views; classify refuses them"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    exams = exam_list.load_exam_list(options.exam_list_path)
    exam_list.require_all_views(exams, options.allow_missing_views)
    work = exam_list.images(exams)

    def crop_one(image: tuple[int, str, int, str]) -> geometry.Crop:
        number, view, _, name = image
        try:
            pixels = images.read_mammogram(options.input_data_folder / f"{name}.png")
            right = exam_list.points_right(view, exams[number]["horizontal_flip"])
            found = geometry.find_crop(
                pixels, right, options.num_iterations, options.buffer_size, options.background_threshold
            )
        except stage.StageError as error:
            raise stage.StageError(f"{view}: {error}") from None
        top, bottom, left, right_edge = found.window_location
        images.write_png(pixels[top:bottom, left:right_edge], options.output_data_folder / f"{name}.png")
        return found

    workers = min(options.num_processes, stage.available_processors())
    found = stage.in_parallel(crop_one, work, workers)
    for exam in exams:
        for key in exam_list.CROP_KEYS:
            exam[key] = {view: [] for view in exam_list.VIEWS}
        exam.pop(exam_list.CENTER_KEY, None)
        exam.pop(exam_list.THRESHOLD_KEY, None)
        if options.background_threshold:
            exam[exam_list.THRESHOLD_KEY] = options.background_threshold
    for (number, view, _, _), crop in zip(work, found, strict=True):
        for key in exam_list.CROP_KEYS:
            exams[number][key][view].append(getattr(crop, key))
    exam_list.save_exam_list(exams, options.cropped_exam_list_path)


if __name__ == "__main__":
    stage.run(main)
