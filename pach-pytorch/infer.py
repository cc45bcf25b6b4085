"""Name the species of each row of an attributes file.

    python3 infer.py /pfs/train/model.pt /pfs/attributes/test1.csv /pfs/out

writes /pfs/out/test1.csv: one species a line, in the order of the rows. A folder in place of the file means every
CSV file in it. Rows are scaled as the training data was, so a row's answer does not depend on its neighbours.

With --datum-batching (and `"datum_batching": true` in the pipeline's transform) the script starts once and is then
handed one datum after the other, so that importing torch and starting Python is paid for once, not once for each file.
"""

import argparse
import sys
from pathlib import Path

from model import Classifier
from rows import BadInput, read_features, run, write_files


def infer(model, attributes, out):
    """Answer one datum: a model file, an attributes file (or a folder of them), and the folder for the results."""
    attributes = Path(attributes)
    files = sorted(attributes.rglob("*.csv")) if attributes.is_dir() else [attributes]
    if not files:
        raise BadInput(f"{attributes}: there is no CSV file in this folder")
    classifier = Classifier(model)
    results = {}
    for path in files:
        name = path.relative_to(attributes) if attributes.is_dir() else path.name
        results[name] = "".join(f"{species}\n" for species in classifier.species(read_features(path))).encode()
    write_files(out, results)
    for name, result in results.items():
        print(f"{name}: {len(result.splitlines())} flowers named", file=sys.stderr, flush=True)


def main(argv=None):
    parser = argparse.ArgumentParser(description="Name the species of Iris flowers from their measurements.")
    parser.add_argument("model", help="model.pt, as train.py wrote it")
    parser.add_argument("attributes", help="CSV file of four features, without header, or a folder of such files")
    parser.add_argument("out", help="folder for the results, under the input's file name")
    parser.add_argument(
        "--datum-batching", action="store_true", help="take datums from the worker until there are none"
    )
    args = parser.parse_args(argv)

    answer = infer
    if args.datum_batching:
        from python_pachyderm import batch_all_datums

        answer = batch_all_datums(infer)
    answer(args.model, args.attributes, args.out)


if __name__ == "__main__":
    run(main)
