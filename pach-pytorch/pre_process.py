"""Scale the training set and turn its species into columns.

    python3 pre_process.py /pfs/training/iris.csv /pfs/out

reads rows like `5.1,3.5,1.4,0.2,Iris-setosa` and writes

    x_train.csv    the four features, each scaled to [0, 1] by its smallest and largest value
    y_train.csv    the species as one-hot integers, for example 1,0,0
    scaling.json   the smallest and largest values, and the order of the species: the model needs them later
"""

import argparse
import json

import numpy as np
from rows import FEATURES, BadInput, min_max, numbers, read_rows, run, scale, write_files

SPECIES = 3  # what the network of model.py tells apart


def main(argv=None):
    parser = argparse.ArgumentParser(description="Scale an Iris training set and one-hot encode its species.")
    parser.add_argument("training", help="CSV file without header: four features and the species")
    parser.add_argument("out", help="folder for x_train.csv, y_train.csv and scaling.json")
    args = parser.parse_args(argv)

    features, labels = [], []
    for line, words in read_rows(args.training, len(FEATURES) + 1):
        if not words[-1]:
            raise BadInput(f"{args.training}, line {line}: the species is missing")
        features.append(numbers(args.training, line, words[:-1]))
        labels.append(words[-1])
    classes = sorted(set(labels))
    if len(classes) != SPECIES:
        raise BadInput(f"{args.training}: {len(classes)} species ({', '.join(classes)}), but {SPECIES} are expected")

    features = np.array(features)
    minimum, maximum = min_max(features)
    x_train = "".join(",".join(map(repr, row)) + "\n" for row in scale(features, minimum, maximum).tolist())
    y_train = "".join(",".join(str(int(label == name)) for name in classes) + "\n" for label in labels)
    scaling = {"features": FEATURES, "minimum": minimum.tolist(), "maximum": maximum.tolist(), "classes": classes}
    write_files(
        args.out,
        {
            "x_train.csv": x_train.encode(),
            "y_train.csv": y_train.encode(),
            "scaling.json": (json.dumps(scaling, indent=2) + "\n").encode(),
        },
    )


if __name__ == "__main__":
    run(main)
