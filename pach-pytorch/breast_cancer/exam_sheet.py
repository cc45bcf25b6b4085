"""One page an exam: its four views as a radiologist hangs them, the heatmaps over them, and the predictions."""

import argparse
import base64
import csv
import html
import io
from pathlib import Path

import exam_list
import images
import numpy as np
import overlays
import stage
from PIL import Image

# Back to back: the right breast on the left, chest walls in the middle.
HANGING = (("R-CC", "L-CC"), ("R-MLO", "L-MLO"))
PICTURE_HEIGHT = 360

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Exam {exam}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem;
        background: #16181c; color: #e6e6e6 }}
h1 {{ font-size: 1.4rem }} h2 {{ font-size: 1rem; margin: 1.6rem 0 .4rem }}
table {{ border-collapse: collapse }} th, td {{ padding: .25rem .8rem; text-align: right }}
th:first-child, td:first-child {{ text-align: left; padding-left: 0 }}
thead th {{ border-bottom: 1px solid #555; font-weight: 600 }}
.pair {{ display: grid; grid-template-columns: 1fr 1fr; gap: .5rem }}
figure {{ margin: 0; background: #000; padding: .5rem; border-radius: 4px }}
.right {{ text-align: right }} figure img {{ height: {height}px; max-width: 32%; object-fit: contain }}
figcaption, small {{ color: #a5a5a5; font-size: .85rem }}
</style></head><body>
<h1>Exam {exam}</h1>
<p><small>For studying the pipelines. Not a medical device, and never to be used for a diagnosis.</small></p>
<h2>Predicted probabilities</h2>
<table><thead><tr><th>model</th>{labels}</tr></thead><tbody>
{rows}
</tbody></table>
<h2>Views: mammogram, malignant heatmap, benign heatmap</h2>
{views}
</body></html>
"""


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-path", type=Path, required=True, help="the exam list")
    parser.add_argument("--image-path", type=Path, required=True, help="where the cropped PNGs are")
    parser.add_argument("--heatmaps-path", type=Path, required=True, help="where the heatmaps are")
    parser.add_argument(
        "--predictions", type=Path, action="append", default=[], help="a CSV ..._by_exam.csv of classify; may repeat"
    )
    parser.add_argument("--output-path", type=Path, required=True, help="the page; with several exams one each")
    parser.add_argument("--exam-id", action="append", default=[], help="an exam's name; once for each exam")
    return parser.parse_args(arguments)


def read_predictions(path: Path) -> dict[str, tuple[str, list[float]]]:
    """(model, probabilities in the labels' order) by exam id."""
    try:
        with open(path, newline="") as file:
            rows = list(csv.DictReader(file))
        return {row["exam_id"]: (row["model"], [float(row[label]) for label in exam_list.LABELS]) for row in rows}
    except (OSError, KeyError, ValueError) as error:
        raise stage.StageError(f"{path}: not the predictions by exam that classify writes ({error})") from None


def picture(pixels: np.ndarray) -> str:
    """An <img> that carries its own pixels, small."""
    image = Image.fromarray(pixels)
    width = max(1, round(image.width * PICTURE_HEIGHT / image.height))
    image = image.resize((width, PICTURE_HEIGHT), Image.Resampling.BILINEAR)
    with io.BytesIO() as file:
        image.save(file, "JPEG", quality=85)
        data = base64.b64encode(file.getvalue()).decode("ascii")
    return f'<img alt="" src="data:image/jpeg;base64,{data}">'


def view_figure(exam: exam_list.Exam, view: str, options: argparse.Namespace) -> str:
    """The pictures of a view's images, with the highest probability in each heatmap."""
    parts = []
    for name in exam.get(view, []):
        mammogram = images.read_mammogram(options.image_path / f"{name}.png")
        pictures, peaks = [picture(overlays.to_bytes(mammogram))], []
        for kind in ("malignant", "benign"):
            heatmap = images.read_heatmap(options.heatmaps_path / f"heatmap_{kind}" / f"{name}.hdf5", mammogram.shape)
            pictures.append(picture(overlays.overlay(mammogram, heatmap, kind)))
            peaks.append(f"{kind} at most {heatmap.max():.3f}")
        parts.append(f"{''.join(pictures)}<figcaption>{view} · {html.escape(name)} · {', '.join(peaks)}</figcaption>")
    inside = "<br>".join(parts) or f"<figcaption>{view}: no image</figcaption>"
    return f'<figure class="{"right" if exam_list.side(view) == "R" else "left"}">{inside}</figure>'


def sheet(exam: exam_list.Exam, name: str, options: argparse.Namespace) -> str:
    """The page of one exam."""
    rows = []
    for path in options.predictions:
        predictions = read_predictions(path)
        if name not in predictions:
            raise stage.StageError(f"{path}: no predictions for the exam {name}")
        model, values = predictions[name]
        cells = "".join(f"<td>{value:.4f}</td>" for value in values)
        rows.append(f"<tr><td>{html.escape(model)}</td>{cells}</tr>")
    pairs = [
        f'<div class="pair">{"".join(view_figure(exam, view, options) for view in pair)}</div>' for pair in HANGING
    ]
    return PAGE.format(
        exam=html.escape(name),
        height=PICTURE_HEIGHT,
        labels="".join(f"<th>{label.replace('_', ' ')}</th>" for label in exam_list.LABELS),
        rows="\n".join(rows),
        views="\n".join(pairs),
    )


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    exams = exam_list.load_exam_list(options.data_path, after_crop=True)
    names = exam_list.exam_ids(exams, options.exam_id)
    for exam, name in zip(exams, names, strict=True):
        path = options.output_path
        if len(exams) > 1:
            path = path.with_name(f"{path.stem}_{name}{path.suffix}")
        with stage.whole_file(path) as temporary:
            temporary.write_text(sheet(exam, name, options), encoding="utf-8")


if __name__ == "__main__":
    stage.run(main)
