"""Times the breast-cancer stages beside the cost of the original's way of doing them, in one run.

  python tests/benchmarks/breast_cancer.py heatmaps [--patches 100] [--rounds 3]
  python tests/benchmarks/breast_cancer.py crop     [--rounds 3]
  python tests/benchmarks/breast_cancer.py classify [--rounds 3]
  python tests/benchmarks/breast_cancer.py workers  [--exams 2] [--repeat 1]
  python tests/benchmarks/breast_cancer.py precision

`heatmaps` and `classify` rebuild the original's cost with plain networks: batches of 100 in NCHW with three equal
channels, padding as operations of their own, nothing fused. Both sides take turns, and medians are compared, so that
whatever else the machine does hits both. The limit is this machine's best measured rate of convolutions.
"""

import argparse
import concurrent.futures
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = ROOT / "pach-pytorch" / "breast_cancer"
PLAIN = Path(__file__).with_name("plain_crop.py")
sys.path.insert(0, str(CODE))

import augmentation  # noqa: E402
import devices  # noqa: E402
import exam_classifier  # noqa: E402
import exam_list  # noqa: E402
import exam_predictor  # noqa: E402
import geometry  # noqa: E402
import images  # noqa: E402
import make_sample  # noqa: E402
import numpy as np  # noqa: E402
import patch_classifier  # noqa: E402
import patch_predictor  # noqa: E402
import stage  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

PATCH_GFLOP = 7.40
EXAM_GFLOP = {"image": 118.4, "imageheatmaps": 134.6}
CPU = torch.device("cpu")


class SamePadding(nn.Module):
    """Pads with zeros in an operation of its own, then applies a layer that does not pad."""

    def __init__(self, layer: nn.Module, kernel: int, stride: int) -> None:
        super().__init__()
        self.layer, self.kernel, self.stride = layer, kernel, stride

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        length = inputs.shape[-1]
        rest = length % self.stride or self.stride
        total = max(self.kernel - rest, 0)
        return self.layer(functional.pad(inputs, (total // 2, total - total // 2) * 2))


def unfused(network: patch_classifier.DenseNet) -> Callable[[torch.Tensor], torch.Tensor]:
    """The patch classifier at the original's cost: three channels, padding apart, concatenation, no fusion."""
    features = network.features
    stem = nn.Conv2d(3, patch_classifier.STEM, 7, stride=2, bias=False)
    with torch.no_grad():
        stem.weight.copy_(features.conv0.weight.expand(-1, 3, -1, -1) / 3)
    padded_stem, pool = SamePadding(stem, 7, 2), SamePadding(nn.MaxPool2d(3, stride=2), 3, 2)
    expand = {}
    for module in features.modules():
        if isinstance(module, patch_classifier.DenseLayer):
            bare = nn.Conv2d(module.conv2.in_channels, module.conv2.out_channels, 3, bias=False)
            bare.weight = module.conv2.weight
            expand[module] = (SamePadding(module.conv1, 1, 1), SamePadding(bare, 3, 1))

    def forward(patches: torch.Tensor) -> torch.Tensor:
        out = pool(functional.relu(features.norm0(padded_stem(patches)), inplace=True))
        for block in range(len(patch_classifier.BLOCKS)):
            for layer in getattr(features, f"denseblock{block + 1}"):
                first, second = expand[layer]
                hidden = first(functional.relu(layer.norm1(out), inplace=True))
                out = torch.cat([out, second(functional.relu(layer.norm2(hidden), inplace=True))], dim=1)
            if block < 3:
                step = getattr(features, f"transition{block + 1}")
                out = functional.avg_pool2d(step.conv(functional.relu(step.norm(out), inplace=True)), 2)
        out = functional.relu(features.norm5(out), inplace=True)
        return network.classifier(out.mean(dim=(2, 3)))

    return forward


def best_convolution_rate(threads: int) -> float:
    """GFLOP/s of the fastest of some convolutions of the patch classifier's own kinds, over all processors."""
    torch.set_num_threads(threads)
    best = 0.0
    for before, after, kernel, side, count in ((128, 32, 3, 16, 8), (128, 32, 3, 32, 2), (512, 128, 1, 16, 8)):
        inputs = torch.randn(count, before, side, side).to(memory_format=torch.channels_last)
        weight = torch.randn(after, before, kernel, kernel).to(memory_format=torch.channels_last)
        flop = 2 * count * before * after * kernel * kernel * side * side
        with torch.inference_mode():
            for _ in range(60):
                began = time.perf_counter()
                for _ in range(5):
                    torch.conv2d(inputs, weight, padding=kernel // 2)
                best = max(best, 5 * flop / (time.perf_counter() - began) / 1e9)
    return best


def timed(function: Callable[[], object]) -> tuple[float, float]:
    """(wall seconds, processor seconds) of a call, with the processes that it starts and waits for."""
    wall, processor = time.perf_counter(), sum(os.times()[:4])
    function()
    return time.perf_counter() - wall, sum(os.times()[:4]) - processor


def side_by_side(rounds: int, sides: dict[str, Callable[[], object]]) -> dict[str, tuple[float, float]]:
    """Median (wall, processor) seconds of each side; the sides take turns."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, function in sides.items():
            times[name].append(timed(function))
    return {
        name: (statistics.median(wall for wall, _ in found), statistics.median(cpu for _, cpu in found))
        for name, found in times.items()
    }


_PATCHES: dict[str, Callable[[], np.ndarray]] = {}


def patch_pass(side: str, patches: int) -> tuple[np.ndarray, float, float]:
    """(probabilities, wall, processor seconds) of one pass over the patches, in a process that does this side only."""
    if side not in _PATCHES:
        _PATCHES[side] = prepared_patches(side, patches)
        _PATCHES[side]()
    results = []
    wall, cpu = timed(lambda: results.append(_PATCHES[side]()))
    return results[0], wall, cpu


def prepared_patches(side: str, patches: int) -> Callable[[], np.ndarray]:
    """Image, places and network of one side, the same for both."""
    with tempfile.TemporaryDirectory() as folder:
        make_sample.write_model(make_sample.PATCH_MODEL, Path(folder))
        network = patch_classifier.load(Path(folder) / make_sample.PATCH_MODEL)
    generator = np.random.RandomState(1)
    image = torch.from_numpy(generator.standard_normal((1600, 1600)).astype(np.float32))
    places = [(0, *generator.randint(0, 1600 - 256, 2).tolist()) for _ in range(patches)]
    if side == "ours":
        predictor = patch_predictor.make(network, devices.choose("cpu", 0), "fp32", 100)
        return lambda: predictor.predict([image], places)
    slow = unfused(network)

    def original() -> np.ndarray:
        # Three equal channels stacked in float64, transposed, then float32, a batch of 100 at a time.
        found = []
        with torch.no_grad():
            for start in range(0, len(places), 100):
                stacked = [image[r : r + 256, c : c + 256].double() for _, r, c in places[start : start + 100]]
                batch = torch.stack([torch.stack([patch] * 3) for patch in stacked]).float()
                found.append(slow(batch).softmax(dim=1))
        return torch.cat(found).numpy()

    return original


def heatmaps(options: argparse.Namespace) -> None:
    """Patches through the network: the original's way against ours, each in a process of its own.

    Ours tells the C library to keep freed memory; in one process that would speed the original up as well.
    """
    processors = stage.available_processors()
    sides = ("original", "ours")
    context = multiprocessing.get_context("spawn")
    pools = {side: concurrent.futures.ProcessPoolExecutor(1, context) for side in sides}
    passes: dict[str, list[tuple[np.ndarray, float, float]]] = {side: [] for side in sides}
    rates = []
    for _ in range(options.rounds):
        for side in sides:
            passes[side].append(pools[side].submit(patch_pass, side, options.patches).result())
        rates.append(best_convolution_rate(processors))
    rate = max(rates)
    times = {side: [statistics.median(one[column] for one in found) for column in (1, 2)]
             for side, found in passes.items()}  # fmt: skip
    for name, (wall, cpu) in times.items():
        each, work = wall / options.patches, PATCH_GFLOP * options.patches
        print(
            f"{name:9} {each:.4f} s a patch ({cpu / options.patches:.4f} processor s), {work / wall:.0f} GFLOP/s, "
            f"{100 * work / wall / rate:.0f} % of the best convolution rate "
            f"({100 * work / cpu * processors / rate:.0f} % of the processors' time that it had)"
        )
    print(f"best convolution rate: {rate:.0f} GFLOP/s on {processors} processors (fp32)")
    print(f"greatest deviation of a probability: {np.abs(passes['original'][0][0] - passes['ours'][0][0]).max():.1e}")
    ratio = [times["original"][one] / times["ours"][one] for one in (0, 1)]
    print(f"heatmaps: {ratio[0]:.1f} x the original's speed (processor time {ratio[1]:.1f} x)")
    most = times["original"][0] / options.patches * rate / PATCH_GFLOP
    print(f"at the best convolution rate throughout it would be {most:.1f} x")


def crop(options: argparse.Namespace) -> None:
    """Crop and centres of a large exam, reading and writing PNGs: ours against a plain program, processes included."""
    with tempfile.TemporaryDirectory() as name:
        exam = Path(name) / "exam"
        make_sample.write_exam(exam, 2900, 1900, 41)

        def ours(script: str, *arguments: object) -> None:
            subprocess.run([sys.executable, CODE / script, *map(str, arguments)], check=True)

        def our_crop() -> None:
            ours("crop.py", "--input-data-folder", exam, "--output-data-folder", exam / "cropped", "--exam-list-path",
                 exam / "gen_exam_list_before_cropping.pkl", "--cropped-exam-list-path", exam / "c.pkl")  # fmt: skip

        def our_centers() -> None:
            ours("extract_centers.py", "--cropped-exam-list-path", exam / "c.pkl", "--data-prefix", exam / "cropped",
                 "--output-exam-list-path", exam / "data.pkl")  # fmt: skip

        def plain(what: str) -> Callable[[], None]:
            return lambda: subprocess.run([sys.executable, PLAIN, what, exam], check=True) and None

        sides = {"original crop": plain("crop"), "our crop": our_crop,
                 "original centres": plain("centres"), "our centres": our_centers}  # fmt: skip
        times = side_by_side(options.rounds, sides)
        for side, (wall, cpu) in times.items():
            print(f"{side:17}{wall:.2f} s ({cpu:.2f} processor s)")
        for column, unit in enumerate(("time", "processor time")):
            old, new = (sum(times[f"{whose} {what}"][column] for what in ("crop", "centres"))
                        for whose in ("original", "our"))  # fmt: skip
            print(f"crop and centres: {new / old:.2f} x the original's {unit}")


def classify(options: argparse.Namespace) -> None:
    """One epoch of an exam: plain NCHW network on all processors, view after view, against ours."""
    processors = stage.available_processors()
    devices.keep_freed_memory()
    generator = np.random.RandomState(2)
    shapes = {"L-CC": (2592, 1263), "R-CC": (2424, 1162), "L-MLO": (2864, 1203), "R-MLO": (2822, 1202)}
    exam = {view: [view] for view in exam_list.VIEWS}
    exam["best_center"] = {view: [(shape[0] // 2, 300)] for view, shape in shapes.items()}
    for kind, channels in (("image", 1), ("imageheatmaps", 3)):
        with tempfile.TemporaryDirectory() as folder:
            make_sample.write_model(f"sample_{kind}_model.p", Path(folder))
            network = exam_classifier.load(Path(folder) / f"sample_{kind}_model.p", channels)
        seen = {
            view: [[generator.randint(0, 60000, shape).astype(np.uint16)]
                   + [generator.random_sample(shape).astype(np.float32) for _ in range(channels - 1)]]
            for view, shape in shapes.items()
        }  # fmt: skip
        results = {}

        def original(network=network, seen=seen, kind=kind, results=results) -> None:
            torch.set_num_threads(processors)
            looks = exam_predictor.draw_looks(
                exam, {view: [shape] for view, shape in shapes.items()}, np.random.RandomState(0), True
            )
            with torch.no_grad():
                views = {
                    look.view: augmentation.look(
                        seen[look.view][0], look.window, geometry.CLASSIFIER_WINDOW[exam_list.angle(look.view)]
                    )
                    for look in looks
                }
                results["original"] = network(views)

        ours_predictor = exam_predictor.ExamPredictor(network, CPU, precision="fp32", seed=0, augment=True, epochs=1)

        def ours(predictor=ours_predictor, seen=seen, results=results) -> None:
            predictor.generator = np.random.RandomState(0)
            results["ours"] = predictor.decisions(exam, seen)[0]

        ours()
        times = side_by_side(options.rounds, {"original": original, "ours": ours})
        worst = max(float((results["original"][a] - results["ours"][a]).abs().max()) for a in ("CC", "MLO"))
        for name, (wall, cpu) in times.items():
            print(
                f"{kind:14}{name:9}{wall:.2f} s an epoch ({cpu:.2f} processor s), {EXAM_GFLOP[kind] / wall:.0f} GFLOP/s"
            )
        print(
            f"classify, {kind}: {times['ours'][0] / times['original'][0]:.2f} x the original's time "
            f"(processor time {times['ours'][1] / times['original'][1]:.2f} x), log-softmax within {worst:.0e}"
        )


def workers(options: argparse.Namespace) -> None:
    """Two heatmap jobs side by side, as two workers run them, against the same two one after the other."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_sample.write_model(make_sample.PATCH_MODEL, folder)
        for number in range(2):
            exam = folder / f"exam{number}"
            make_sample.write_exam(exam, 900, 640, 21 + number)
            arguments = ["--input-data-folder", exam, "--output-data-folder", exam / "cropped"]
            arguments += ["--exam-list-path", exam / "gen_exam_list_before_cropping.pkl"]
            subprocess.run(
                [sys.executable, CODE / "crop.py", *arguments, "--cropped-exam-list-path", exam / "data.pkl"],
                check=True,
            )

        def start(number: int, **environment: str) -> subprocess.Popen[bytes]:
            exam = folder / f"exam{number}"
            arguments = ["--model-path", folder / make_sample.PATCH_MODEL, "--data-path", exam / "data.pkl"]
            arguments += ["--image-path", exam / "cropped", "--output-heatmap-path", exam / "heatmaps"]
            return subprocess.Popen(
                [sys.executable, CODE / "generate_heatmaps.py", *arguments],
                env={**os.environ, **environment},
                stderr=subprocess.DEVNULL,
            )

        def wait(started: list[subprocess.Popen[bytes]]) -> None:
            assert [one.wait() for one in started] == [0] * len(started)

        def one_after_the_other() -> None:
            for number in range(2):
                wait([start(number)])

        def together() -> None:
            wait([start(number) for number in range(2)])

        def together_told() -> None:
            wait([start(number, OMP_NUM_THREADS="1") for number in range(2)])

        times = side_by_side(
            options.rounds,
            {
                "one after the other": one_after_the_other,
                "two workers": together,
                "two workers, OMP_NUM_THREADS=1": together_told,
            },
        )
        for name_, (wall, cpu) in times.items():
            print(f"{name_:32}{wall:.2f} s for two exams ({cpu:.2f} processor s)")
        ratio = [times["one after the other"][one] / times["two workers"][one] for one in (0, 1)]
        print(
            f"two workers: {ratio[0]:.2f} x the throughput of one process using all processors "
            f"({ratio[1]:.2f} x by processor time)"
        )


def precision(options: argparse.Namespace) -> None:
    """Deviation and speed of bf16 and int8 against fp32 on the patches of a synthetic exam."""
    with tempfile.TemporaryDirectory() as folder:
        make_sample.write_model(make_sample.PATCH_MODEL, Path(folder))
        pixels = [make_sample.phantom(view, 700, 640, 31) for view in exam_list.VIEWS[:1]]
        image = torch.from_numpy(images.standardise(pixels[0], np.float64).astype(np.float32))
        generator = np.random.RandomState(4)
        places = [
            (0, *map(int, (generator.randint(0, 444), generator.randint(0, 384)))) for _ in range(options.patches)
        ]
        results = {}
        for kind in devices.PRECISIONS:
            network = patch_classifier.load(Path(folder) / make_sample.PATCH_MODEL)
            predictor = patch_predictor.make(network, CPU, kind, 100)
            predictor.predict([image], places[:8])

            def go(predictor=predictor, kind=kind) -> None:
                results[kind] = predictor.predict([image], places)

            wall, _ = timed(go)
            deviation = np.abs(results[kind] - results["fp32"])
            print(
                f"{kind}: {wall / len(places):.4f} s a patch; probability deviates by at most {deviation.max():.1e}, "
                f"{deviation.mean():.1e} in the mean"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    benchmarks = {
        "heatmaps": heatmaps,
        "crop": crop,
        "classify": classify,
        "workers": workers,
        "precision": precision,
    }
    parser.add_argument("what", nargs="?", choices=(*benchmarks, "all"), default="all")
    parser.add_argument("--patches", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for name, benchmark in benchmarks.items():
        if options.what in (name, "all"):
            benchmark(options)


if __name__ == "__main__":
    main()
