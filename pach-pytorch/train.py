"""Train the network of model.py on the rows that pre_process.py made.

    python3 train.py /pfs/pre_process /pfs/out

reads x_train.csv, y_train.csv and scaling.json from the first folder, and writes model.pt to the second.
The same rows and the same seed give the same model, byte for byte, so its hash says whether anything changed.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from model import CLASSES, Net, to_bytes
from rows import FEATURES, BadInput, numbers, read_features, read_rows, run, write_files
from torch.nn.functional import binary_cross_entropy_with_logits

EPOCHS = 10_000
LEARNING_RATE = 0.1
SEED = 0


def read_labels(path):
    """One-hot labels, shape (rows, 3): each row holds a single 1."""
    labels = []
    for line, words in read_rows(path, CLASSES):
        row = numbers(path, line, words)
        if sorted(row) != [0.0] * (CLASSES - 1) + [1.0]:
            raise BadInput(f"{path}, line {line}: a single 1 among zeros is expected: {','.join(words)!r}")
        labels.append(row)
    return np.array(labels)


def read_scaling(path):
    """What pre_process.py found: minimum and maximum of each feature, and the names of the classes in order."""
    try:
        scaling = json.loads(Path(path).read_text(encoding="utf-8"))
        minimum, maximum, classes = scaling["minimum"], scaling["maximum"], scaling["classes"]
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise BadInput(f"{path}: this is not a scaling that pre_process.py wrote") from None
    if len(classes) != CLASSES:
        raise BadInput(f"{path}: {len(classes)} classes, but the network has {CLASSES} outputs")
    if not len(minimum) == len(maximum) == len(FEATURES):
        raise BadInput(f"{path}: the scaling is not one of {len(FEATURES)} columns")
    return minimum, maximum, classes


def train(x, y, epochs, learning_rate, seed):
    """Full-batch gradient descent; returns the network. x is (rows, 4), y is (rows, 3), both float32."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)  # 145 rows: a second thread costs more than it gives
    net = Net()
    weights = list(net.parameters())
    started = time.monotonic()
    for epoch in range(1, epochs + 1):
        loss = binary_cross_entropy_with_logits(net(x), y)
        gradients = torch.autograd.grad(loss, weights)
        # One step of SGD, written out: torch.optim.SGD does the same, but importing it takes longer than the training.
        with torch.no_grad():
            for weight, gradient in zip(weights, gradients, strict=True):
                weight -= learning_rate * gradient
        if epoch % max(1, epochs // 10) == 0:
            seconds = time.monotonic() - started
            print(f"epoch {epoch} of {epochs}: loss {loss.item():.4f}, {seconds:.1f} s", file=sys.stderr, flush=True)
    return net


def main(argv=None):
    parser = argparse.ArgumentParser(description="Train the Iris network.")
    parser.add_argument("input", help="folder with x_train.csv, y_train.csv and scaling.json")
    parser.add_argument("out", help="folder for model.pt")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="passes over the whole training set (%(default)s)")
    parser.add_argument("--learning-rate", type=float, default=LEARNING_RATE, help="step size (%(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, help="for the first, random weights (%(default)s)")
    args = parser.parse_args(argv)

    folder = Path(args.input)
    x = read_features(folder / "x_train.csv")
    y = read_labels(folder / "y_train.csv")
    minimum, maximum, classes = read_scaling(folder / "scaling.json")
    if len(x) != len(y):
        raise BadInput(f"{folder}: x_train.csv has {len(x)} rows, y_train.csv has {len(y)}")

    x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
    net = train(x, y, args.epochs, args.learning_rate, args.seed)
    right = int((net(x).argmax(dim=1) == y.argmax(dim=1)).sum())
    print(f"{right} of {len(x)} training rows are classified rightly", file=sys.stderr)
    write_files(args.out, {"model.pt": to_bytes(net, minimum, maximum, classes)})


if __name__ == "__main__":
    run(main)
