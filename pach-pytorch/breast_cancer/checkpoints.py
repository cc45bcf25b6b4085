"""Reads the published checkpoint files: PyTorch's old or new format, weights only, never code."""

import hashlib
import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from stage import StageError
from torch import nn

COUNTER = ".num_batches_tracked"


def load_weights(path: Path, *, wrapped: bool) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint by name, on the CPU; `wrapped`: as {"model": weights}, otherwise bare."""
    try:
        with open(path, "rb") as file:
            content = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise StageError(f"{path}: no such model; put the checkpoints into the models repo") from None
    except OSError as error:
        raise StageError(f"{path}: the model cannot be read ({error.strerror or error})") from None
    except pickle.UnpicklingError as error:
        unsafe = "Unsupported" in str(error) or "GLOBAL" in str(error)
        why = "it holds code or objects beside weights, which are not loaded" if unsafe else "it is not a checkpoint"
        raise StageError(f"{path}: the model cannot be loaded: {why}") from None
    except Exception as error:
        # A cut or foreign file makes torch.load fail in many ways (RuntimeError, EOFError, KeyError ...).
        raise StageError(f"{path}: not a PyTorch checkpoint, or cut short ({type(error).__name__})") from None
    if wrapped:
        if not isinstance(content, Mapping) or "model" not in content:
            raise StageError(f'{path}: an exam model is a dict with the weights under "model"; is this a patch model?')
        content = content["model"]
    elif isinstance(content, Mapping) and "model" in content:
        raise StageError(f"{path}: an exam model, where the patch model is expected")
    if not isinstance(content, Mapping) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise StageError(f"{path}: not a table of weights by name")
    return dict(content)


def fill(module: nn.Module, weights: Mapping[str, torch.Tensor], path: Path) -> None:
    """Puts the weights into the module; StageError naming the first that is missing, unknown or of another shape.

    Batch norm's counters may be absent (files of PyTorch before 0.4.1) and are never needed.
    """
    wanted = module.state_dict()
    for name, tensor in wanted.items():
        if name.endswith(COUNTER):
            continue
        if name not in weights:
            raise StageError(f"{path}: the weight {name} is missing; this is not a checkpoint of this model")
        if weights[name].shape != tensor.shape:
            found, expected = tuple(weights[name].shape), tuple(tensor.shape)
            raise StageError(f"{path}: {name} has the shape {found}, the model needs {expected}")
    unknown = [name for name in weights if name not in wanted and not name.endswith(COUNTER)]
    if unknown:
        raise StageError(f"{path}: the weight {min(unknown)} is unknown to this model")
    given = {name: weights[name].float() for name in wanted if name in weights and not name.endswith(COUNTER)}
    module.load_state_dict(given, strict=False)


def without_aliases(
    weights: Mapping[str, torch.Tensor], aliases: Mapping[str, str], path: Path
) -> dict[str, torch.Tensor]:
    """The weights under their canonical names; StageError if an alias holds other values than its original.

    `aliases`: prefix -> canonical prefix. The original's module reaches each column of its network by several names,
    and its files hold every tensor under all of them.
    """
    kept = {}
    for name, tensor in weights.items():
        prefix = next((prefix for prefix in aliases if name.startswith(prefix)), None)
        if prefix is None:
            kept[name] = tensor
            continue
        original = weights.get(aliases[prefix] + name[len(prefix) :])
        if original is None:
            raise StageError(f"{path}: {name} is there but {aliases[prefix]}{name[len(prefix) :]} is missing")
        if original.shape != tensor.shape or not torch.equal(original, tensor):
            raise StageError(f"{path}: {name} and {aliases[prefix]}{name[len(prefix) :]} must be equal, but differ")
    return kept


def digest(path: Path) -> str:
    """The first 12 hexadecimal digits of the file's SHA-256: enough to say which model made a prediction."""
    value = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            value.update(block)
    return value.hexdigest()[:12]
