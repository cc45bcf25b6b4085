"""Prints pipeline specs for the device that they shall run on: `for_device.py cpu SPEC ... | pachctl ... -f -`.

The committed specs are for GPUs where the pipelines use one. For `cpu` the GPU limit goes, the image becomes the one
without CUDA, and the scripts are told by DEVICE (or run.sh's argument). All else stays, and a spec that needs no GPU
comes out as it went in; so one file describes a pipeline, whatever it runs on. `--env NAME=VALUE` sets a variable of
settings.sh: NUM_EPOCHS, BACKGROUND_THRESHOLD, GPU_NUMBER.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

GPU_IMAGE, CPU_IMAGE = "pachyderm-workshop/breast-cancer-gpu:", "pachyderm-workshop/breast-cancer:"


def for_device(spec: dict[str, Any], device: str) -> dict[str, Any]:
    """The spec as it is for a GPU; without its GPU for the CPU."""
    if device == "gpu":
        return spec
    spec = json.loads(json.dumps(spec))
    limits = spec.get("resource_limits", {})
    limits.pop("gpu", None)
    if not limits:
        spec.pop("resource_limits", None)
    transform = spec["transform"]
    transform["image"] = transform["image"].replace(GPU_IMAGE, CPU_IMAGE)
    if "DEVICE" in transform.get("env", {}):
        transform["env"]["DEVICE"] = "cpu"
    transform["cmd"] = ["cpu" if word == "gpu" else word for word in transform["cmd"]]
    return spec


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("device", choices=("cpu", "gpu"))
    parser.add_argument("spec", type=Path, nargs="+")
    parser.add_argument("--env", metavar="NAME=VALUE", action="append", default=[], help="may repeat")
    options = parser.parse_args()
    variables = dict(setting.partition("=")[::2] for setting in options.env)
    for path in options.spec:
        try:
            spec = for_device(json.loads(path.read_text()), options.device)
            if variables:
                spec["transform"].setdefault("env", {}).update(variables)
            print(json.dumps(spec, indent=2))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            print(f"error: {path}: not a pipeline spec ({error})", file=sys.stderr)
            raise SystemExit(1) from None


if __name__ == "__main__":
    main()
