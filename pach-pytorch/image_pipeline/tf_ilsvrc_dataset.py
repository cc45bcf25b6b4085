#!/usr/bin/env python3
"""Build training batches from a list of JPEGs and time it: serial, then parallel (TensorFlow's tf.data).

    python tf_ilsvrc_dataset.py -c ilsvrc.json --num-parallel-readers 1 --prefetch-buffer-size 0
    python tf_ilsvrc_dataset.py -c ilsvrc.json --num-parallel-readers 8 --prefetch-buffer-size 2

The lesson's seven steps, numbered below, without a line of Python per image; sample for sample the bytes of
ilsvrc_dataset.py. Needs requirements-tensorflow.txt, in an environment of its own.
"""

from __future__ import annotations

import os
from itertools import islice

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
import tensorflow as tf
from index import Index
from lesson import (
    Meter,
    arguments_of,
    check_classes,
    finish,
    main_guard,
    open_index,
    settings_of,
    show_batch,
    show_settings,
)
from plan import Plan, plan_epoch

MARGIN = 2
"""Pixels decoded around a part, since chroma upsampling looks at neighbours."""


def decode_part(data: tf.Tensor, part: tf.Tensor) -> tf.Tensor:
    """The pixels of part (left, top, right, bottom) of an encoded picture: uint8 (height, width, 3)."""

    def from_jpeg() -> tf.Tensor:
        width = tf.image.extract_jpeg_shape(data)[1]
        left, right = tf.maximum(part[0] - MARGIN, 0), tf.minimum(part[2] + MARGIN, width)
        window = tf.stack([part[1], left, part[3] - part[1], right - left])
        pixels = tf.image.decode_and_crop_jpeg(data, window, channels=3, dct_method="INTEGER_ACCURATE")
        return pixels[:, part[0] - left : part[2] - left]

    def from_png() -> tf.Tensor:
        return tf.io.decode_png(data, channels=3)[part[1] : part[3], part[0] : part[2]]

    pixels = tf.cond(tf.strings.substr(data, 0, 4) == b"\x89PNG", from_png, from_jpeg)
    return tf.ensure_shape(pixels, [None, None, 3])


def axis_table(length: tf.Tensor, side: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """(pixel, its right neighbour, the neighbour's weight in 256ths) of each output pixel; see resample.py."""
    scale = 1.0 / (tf.cast(side, tf.float64) / tf.cast(length, tf.float64))
    position = scale * (tf.range(side, dtype=tf.float64) + 0.5) - 0.5
    floor = tf.floor(position)
    weight = tf.cast(tf.round((position - floor) * 256), tf.float32)
    index = tf.cast(floor, tf.int32)
    weight = tf.where((index < 0) | (index >= length - 1), 0.0, weight)
    index = tf.clip_by_value(index, 0, length - 1)
    return index, tf.minimum(index + 1, length - 1), weight


def resample(pixels: tf.Tensor, side: int) -> tf.Tensor:
    """Bilinear, in whole numbers below 2**24, which float32 holds exactly: uint8 (side, side, 3)."""
    upper, lower, down = axis_table(tf.shape(pixels)[0], side)
    left, right, across = axis_table(tf.shape(pixels)[1], side)
    down, across = down[:, None, None], across[:, None, None]
    rows = tf.cast(tf.gather(pixels, upper), tf.float32) * (256.0 - down)
    rows += tf.cast(tf.gather(pixels, lower), tf.float32) * down
    # Columns are gathered as rows of the transposed picture: whole rows are copied at once, twice as fast.
    rows = tf.transpose(rows, [1, 0, 2])
    total = tf.gather(rows, left) * (256.0 - across) + tf.gather(rows, right) * across
    return tf.transpose(tf.cast(tf.floor((total + 32768.0) / 65536.0), tf.uint8), [1, 0, 2])


def image_list(index: Index, plan: Plan, start: int = 0) -> tuple[list[str], tf.RaggedTensor, list[int]]:
    """The rank's images in the plan's order from batch `start` on: paths, the boxes wanted of each, labels.

    An image whose boxes fall into two batches comes twice, each time with the boxes of that batch.
    """
    tasks = [task for number in range(start, plan.batches) for task in plan.tasks(number)]
    paths = [os.path.join(index.root, index.path(task.image)) for task in tasks]
    boxes = np.concatenate([index.boxes[task.box : task.box + task.count] for task in tasks]).astype(np.int32)
    rows = tf.RaggedTensor.from_row_lengths(boxes, [task.count for task in tasks])
    return paths, rows, [int(index.labels[task.image]) for task in tasks]


def build_dataset(
    index: Index, plan: Plan, batch: int, side: int, readers: int, prefetch: int, start: int = 0
) -> tf.data.Dataset:
    """(images, labels) of a rank's epoch from batch `start` on: uint8 (batch, side, side, 3), int64 (batch,)."""

    def load_image_label_bb(path: tf.Tensor, boxes: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        corner, far = tf.reduce_min(boxes[:, :2], axis=0), tf.reduce_max(boxes[:, 2:], axis=0)
        pixels = decode_part(tf.io.read_file(path), tf.concat([corner, far], axis=0))
        inner = boxes - tf.tile(corner, [2])
        images = tf.map_fn(
            lambda box: resample(pixels[box[1] : box[3], box[0] : box[2]], side), inner, fn_output_signature=tf.uint8
        )
        return tf.ensure_shape(images, [None, side, side, 3]), tf.repeat(label, tf.shape(boxes)[0])

    # 1. Open the file list, 3. shard it by rank, 4. shuffle it anew each epoch: index and plan have done so, over
    # samples, so that all ranks get equally many; a buffered shuffle mixes only neighbours of a list ordered by class.
    paths, boxes, labels = image_list(index, plan, start)
    # 2. Parse the list into a tensor.
    dataset = tf.data.Dataset.from_tensor_slices((paths, boxes, tf.constant(labels, tf.int64)))
    # 5. Read, decode and cut out, in parallel, in order.
    dataset = dataset.map(load_image_label_bb, num_parallel_calls=readers, deterministic=True)
    # 6. One or more samples an image: take them apart, then make batches.
    dataset = dataset.unbatch().batch(batch, drop_remainder=True)
    # 7. Prepare batches before they are asked for.
    if prefetch:
        dataset = dataset.prefetch(prefetch)
    options = tf.data.Options()
    options.threading.private_threadpool_size = readers
    options.autotune.enabled = False
    return dataset.with_options(options)


def main(arguments: list[str] | None = None) -> int:
    parser = arguments_of("Build training batches from a list of JPEGs and time it (TensorFlow).")
    parser.add_argument(
        "--interop", type=int, default=0, help="TensorFlow's inter_op_parallelism_threads (0: its choice)"
    )
    parser.add_argument(
        "--intraop", type=int, default=0, help="TensorFlow's intra_op_parallelism_threads (0: its choice)"
    )
    parser.add_argument("--save", help="write the measured batches to this .npz file")
    options = parser.parse_args(arguments)
    settings = settings_of(options)
    show_settings(settings)
    tf.config.threading.set_inter_op_parallelism_threads(options.interop)
    tf.config.threading.set_intra_op_parallelism_threads(options.intraop)
    index = open_index(settings.train_filelist, options.index, settings.readers)
    check_classes(settings, index)
    shuffle = "images" if settings.shuffle else "none"
    epoch, start = options.epoch, options.start_batch

    def batches():
        number, first = epoch, start
        while True:
            shuffled = number if settings.reshuffle else 0
            plan = plan_epoch(
                index.first, settings.seed, shuffled, settings.batch_size, options.rank, options.size, shuffle
            )
            if first >= plan.batches:
                raise ValueError(f"the epoch has {plan.batches} batches, so none is number {first}")
            dataset = build_dataset(
                index, plan, settings.batch_size, settings.side, settings.readers, settings.prefetch, first
            )
            for place, (images, labels) in enumerate(dataset, first):
                yield place, plan.samples[place], images, labels
            number, first = number + 1, 0

    if options.logdir:
        tf.profiler.experimental.start(str(options.logdir))
    meter, kept = Meter(index), []
    try:
        for number, samples, images, labels in islice(batches(), options.nsteps + 1):
            meter.step(samples)
            show_batch(number, images, labels.numpy().tolist())
            if options.save:
                kept.append((images.numpy(), labels.numpy(), samples))
    except (ValueError, tf.errors.OpError) as error:
        raise SystemExit(f"error: {error}") from error
    if options.logdir:
        tf.profiler.experimental.stop()
        print(f"wrote the profile to {options.logdir} (open it with TensorBoard's profiler)")
    if options.save:
        images, labels, samples = (np.stack([batch[place] for batch in kept]) for place in range(3))
        np.savez(options.save, images=images, labels=labels, samples=samples)
    finish(meter)
    return 0


if __name__ == "__main__":
    main_guard(main)
