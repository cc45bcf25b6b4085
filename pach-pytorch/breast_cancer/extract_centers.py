"""Stage 2: find, for each cropped mammogram, the point on which the classifier's window is centred."""

import argparse
from pathlib import Path

import exam_list
import geometry
import images
import stage


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cropped-exam-list-path", type=Path, required=True, help="the list that crop wrote")
    parser.add_argument("--data-prefix", type=Path, required=True, help="where the cropped PNGs are")
    parser.add_argument("--output-exam-list-path", type=Path, required=True, help="the list with the centres")
    parser.add_argument(
        "--num-processes", type=stage.positive_int, default=20, help="images at a time, at most one a processor"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    exams = exam_list.load_exam_list(options.cropped_exam_list_path, after_crop=True)
    work = exam_list.images(exams)

    def center_one(image: tuple[int, str, int, str]) -> tuple[int, int]:
        number, view, index, name = image
        exam = exams[number]
        try:
            pixels = images.read_mammogram(options.data_prefix / f"{name}.png")
        except stage.StageError as error:
            raise stage.StageError(f"{view}: {error}") from None
        if not exam_list.points_right(view, exam["horizontal_flip"]):
            pixels = pixels[:, ::-1]
        crop = {key: exam[key][view][index] for key in exam_list.CROP_KEYS}
        return geometry.best_center(pixels, exam_list.angle(view), crop, exam_list.background_threshold(exam))

    workers = min(options.num_processes, stage.available_processors())
    centers = stage.in_parallel(center_one, work, workers)
    for exam in exams:
        exam[exam_list.CENTER_KEY] = {view: [] for view in exam_list.VIEWS}
    for (number, view, _, _), center in zip(work, centers, strict=True):
        exams[number][exam_list.CENTER_KEY][view].append(center)
    exam_list.save_exam_list(exams, options.output_exam_list_path)


if __name__ == "__main__":
    stage.run(main)
