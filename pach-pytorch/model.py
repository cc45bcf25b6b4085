"""The network that tells three kinds of Iris apart, and the file it is kept in.

    4 measurements -> 5 hidden units, ReLU -> 3 scores, one for each species; the highest score is the answer

`model.pt` holds all that an answer needs: the weights, the scaling that the training data was given, and the
names of the classes. A model without its scaling would answer differently for each file it is shown.
"""

import io

import torch
from rows import FEATURES, BadInput, scale
from torch import nn

HIDDEN = 5
CLASSES = 3


class Net(nn.Module):
    """Two fully connected layers; returns logits (scores before the sigmoid)."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(len(FEATURES), HIDDEN)
        self.output = nn.Linear(HIDDEN, CLASSES)

    def forward(self, x):  # (rows, 4) -> (rows, 3)
        return self.output(torch.relu(self.hidden(x)))


def to_bytes(net, minimum, maximum, classes):
    """The content of model.pt: plain tensors, numbers and names, so that loading it can run no code."""
    document = {
        "weights": net.state_dict(),
        "minimum": [float(value) for value in minimum],
        "maximum": [float(value) for value in maximum],
        "classes": list(classes),
    }
    buffer = io.BytesIO()
    torch.save(document, buffer)
    return buffer.getvalue()


class Classifier:
    """A trained network together with its scaling and class names, as read from model.pt."""

    def __init__(self, path):
        try:
            document = torch.load(path, weights_only=True)
        except OSError as error:
            raise BadInput(f"{path}: cannot be read: {error.strerror}") from None
        except Exception:  # torch raises a dozen kinds, from EOFError to UnpicklingError, for a file that is no model
            raise BadInput(f"{path}: this is not a model that train.py wrote, or it is damaged") from None
        missing = {"weights", "minimum", "maximum", "classes"} - set(document if isinstance(document, dict) else ())
        if missing:
            raise BadInput(f"{path}: the model lacks {', '.join(sorted(missing))}: was it written by train.py?")
        if len(document["classes"]) != CLASSES:
            raise BadInput(f"{path}: {len(document['classes'])} class names for a network with {CLASSES} outputs")
        if not len(document["minimum"]) == len(document["maximum"]) == len(FEATURES):
            raise BadInput(f"{path}: the scaling is not one of {len(FEATURES)} columns")
        self.net = Net()
        try:
            self.net.load_state_dict(document["weights"])
        except (RuntimeError, AttributeError, TypeError):
            raise BadInput(
                f"{path}: the weights are those of another network, not {len(FEATURES)}-{HIDDEN}-{CLASSES}"
            ) from None
        self.minimum, self.maximum, self.classes = document["minimum"], document["maximum"], document["classes"]

    @torch.no_grad()
    def species(self, features):
        """One name for each row of `features`, an array of shape (rows, 4) in centimetres."""
        scaled = torch.tensor(scale(features, self.minimum, self.maximum), dtype=torch.float32)
        return [self.classes[index] for index in self.net(scaled).argmax(dim=1).tolist()]
