"""One page an exam: the predictions, and its four views as a radiologist hangs them, plain and under each heatmap."""

import argparse
import base64
import csv
import html
import io
from dataclasses import dataclass
from pathlib import Path

import exam_list
import images
import numpy as np
import overlays
import stage
from PIL import Image

# Back to back: the right breast on the left, chest walls in the middle.
HANGING = ("R-CC", "L-CC", "R-MLO", "L-MLO")
COLUMNS = ("right_malignant", "right_benign", "left_malignant", "left_benign")
KINDS = ("malignant", "benign")
PICTURE_HEIGHT = 480

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Exam {exam}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 1.5rem auto; max-width: 82rem; padding: 0 1rem;
        background: #101216; color: #e8e8e8 }}
h1 {{ font-size: 1.5rem; margin: 0 }} h2 {{ font-size: 1rem; margin: 0 0 .4rem; font-weight: 600 }}
.note {{ color: #e0b050; margin: .2rem 0 1.4rem }}
small, figcaption {{ color: #a0a4ab; font-size: .82rem }}
table {{ border-collapse: collapse; width: 100%; margin-bottom: 1.8rem }}
th {{ font-weight: 600; text-align: left }} th, td {{ padding: .3rem .8rem .3rem 0 }}
thead tr:last-child th {{ border-bottom: 1px solid #3a3e46; font-weight: 400; color: #a0a4ab }}
td {{ width: 17%; font-variant-numeric: tabular-nums }}
.bar {{ display: block; height: .45rem; border-radius: 2px; background: #2a2e36; margin-bottom: .15rem }}
.bar i {{ display: block; height: 100%; border-radius: 2px }}
.malignant {{ background: {malignant} }} .benign {{ background: {benign} }}
.hangings {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1.2rem }}
.views {{ display: grid; grid-template-columns: 1fr 1fr; gap: 2px; background: #000; padding: .5rem;
          border-radius: 6px }}
figure {{ margin: 0; position: relative }} figure img {{ display: block; max-width: 100%; max-height: {height}px }}
.R img {{ margin-left: auto }} figcaption {{ padding: .1rem .2rem }} .R figcaption {{ text-align: right }}
.scale {{ display: flex; gap: .6rem; align-items: center; margin-top: .4rem }}
.scale span {{ flex: 1; height: .5rem; border-radius: 2px }}
</style></head><body>
<h1>Exam {exam}</h1>
<p class="note">For studying the pipelines. Not a medical device, and never to be used for a diagnosis.</p>
<table><thead><tr><th></th><th colspan="2">Right breast</th><th colspan="2">Left breast</th></tr>
<tr><th>Predicted probability</th>{labels}</tr></thead><tbody>
{rows}
</tbody></table>
<div class="hangings">
{hangings}
</div>
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


@dataclass
class Shot:
    """One image of a view: its name, its pixels and its heatmap of each kind."""

    view: str
    name: str
    mammogram: np.ndarray
    heatmaps: dict[str, np.ndarray]


def read_shots(exam: exam_list.Exam, options: argparse.Namespace) -> list[Shot]:
    """All images of an exam, as they hang."""
    shots = []
    for view in HANGING:
        for name in exam.get(view, []):
            mammogram = images.read_mammogram(options.image_path / f"{name}.png")
            folders = {kind: options.heatmaps_path / f"heatmap_{kind}" for kind in KINDS}
            maps = {k: images.read_heatmap(folder / f"{name}.hdf5", mammogram.shape) for k, folder in folders.items()}
            shots.append(Shot(view, name, mammogram, maps))
    return shots


def picture(pixels: np.ndarray, words: str) -> str:
    """An <img> that carries its own pixels, small."""
    image = Image.fromarray(pixels)
    width = max(1, round(image.width * PICTURE_HEIGHT / image.height))
    image = image.resize((width, PICTURE_HEIGHT), Image.Resampling.LANCZOS)
    with io.BytesIO() as file:
        image.save(file, "JPEG", quality=88)
        data = base64.b64encode(file.getvalue()).decode("ascii")
    return f'<img alt="{html.escape(words)}" src="data:image/jpeg;base64,{data}">'


def css_colour(kind: str, level: float) -> str:
    """The colour with which `glow` tints a level, for the page itself."""
    red, green, blue = overlays.colour_table(kind)[overlays.glow_steps(np.array(level))].tolist()
    return f"rgb({red},{green},{blue})"


def hanging(shots: list[Shot], kind: str | None) -> str:
    """The four views, plain or with the heatmap of this kind over them and the scale of its colours."""
    highest = max((float(shot.heatmaps[kind].max()) for shot in shots), default=0.0) if kind else 0.0
    figures = []
    for view in HANGING:
        inside, words = [], view
        for shot in (shot for shot in shots if shot.view == view):
            if kind:
                pixels = overlays.glow(shot.mammogram, shot.heatmaps[kind], kind, highest)
                words = f"{view} · highest {shot.heatmaps[kind].max():.3f}"
            else:
                pixels = overlays.to_bytes(shot.mammogram)
            inside.append(picture(pixels, f"{view} {shot.name} {kind or 'mammogram'}"))
        caption = words if inside else f"{view}: no image"
        figures.append(
            f'<figure class="{exam_list.side(view)}">{"".join(inside)}<figcaption>{caption}</figcaption></figure>'
        )
    scale = "<small>Each picture stretched to its own range of grey.</small>"
    if kind:
        steps = ",".join(css_colour(kind, level) for level in (0, 0.25, 0.5, 0.75, 1))
        scale = f'<small>0</small><span style="background:linear-gradient(90deg,{steps})"></span>'
        scale += f"<small>{highest:.3f}</small>"
    title = f"Suspected {kind}" if kind else "Mammogram"
    views = f'<div class="views">{"".join(figures)}</div>'
    return f'<section><h2>{title}</h2>{views}<div class="scale">{scale}</div></section>'


def cell(label: str, value: float) -> str:
    """A probability as a bar and a number."""
    kind = label.split("_")[1]
    return f'<td><span class="bar"><i class="{kind}" style="width:{100 * value:.1f}%"></i></span>{value:.4f}</td>'


def sheet(exam: exam_list.Exam, name: str, options: argparse.Namespace) -> str:
    """The page of one exam."""
    rows = []
    for path in options.predictions:
        predictions = read_predictions(path)
        if name not in predictions:
            raise stage.StageError(f"{path}: no predictions for the exam {name}")
        model, values = predictions[name]
        by_label = dict(zip(exam_list.LABELS, values, strict=True))
        cells = "".join(cell(label, by_label[label]) for label in COLUMNS)
        file, _, digest = model.partition(":")
        rows.append(f"<tr><td>{html.escape(file)} <small>{html.escape(digest)}</small></td>{cells}</tr>")
    shots = read_shots(exam, options)
    return PAGE.format(
        exam=html.escape(name),
        height=PICTURE_HEIGHT,
        labels="".join(f"<th>{label.split('_')[1]}</th>" for label in COLUMNS),
        rows="\n".join(rows),
        hangings="\n".join(hanging(shots, kind) for kind in (None, *KINDS)),
        **{kind: css_colour(kind, 0.6) for kind in KINDS},
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
