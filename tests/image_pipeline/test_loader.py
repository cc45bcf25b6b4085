"""The loader: the same bytes for any number of threads, ranks and sources; exact resumption; nothing silent."""

import gc
import hashlib
import io
import shutil
import threading

import numpy as np
import pytest
import resample
import torch
from index import build_index, look
from loader import Loader
from pictures import PictureReader
from PIL import Image
from ring import Ring
from shards import merge, open_shards, pack_class
from sources import FileSource, SampleError
from torch.utils.data import DataLoader
from torch_batches import Batches, to_float

SIDE = 48


def loader(index, batch=8, **options):
    return Loader(FileSource(index, SIDE), batch, **options)


def digest(batches):
    """A hash over the images and labels of batches, in order."""
    total = hashlib.sha256()
    for batch in batches:
        total.update(batch.images.tobytes())
        total.update(batch.labels.tobytes())
    return total.hexdigest()


@pytest.fixture(scope="module")
def expected(index):
    """Every sample of the training list, made one by one without the loader: sample number → pixels."""
    samples, reader, number = {}, PictureReader("simplejpeg"), 0
    for image in range(index.images):
        pixels = reader.read((index.root / index.path(image)).read_bytes(), "jpeg")
        for left, top, right, bottom in index.boxes[index.first[image] : index.first[image + 1]].tolist():
            samples[number] = np.empty((SIDE, SIDE, 3), np.uint8)
            resample.resample_numpy(pixels[top:bottom, left:right], samples[number])
            number += 1
    return samples


def test_each_slot_holds_the_sample_the_plan_names_and_its_label(index, expected):
    seen = []
    for batch in loader(index, last="wrap"):
        for slot, sample in enumerate(batch.samples.tolist()):
            assert np.array_equal(batch.images[slot], expected[sample])
            image = np.searchsorted(index.first, sample, side="right") - 1
            assert index.classes[batch.labels[slot]] == index.path(int(image)).split("/")[-2]
        seen += batch.samples.tolist()
    assert set(seen) == set(range(index.samples))


@pytest.mark.parametrize(("threads", "prefetch"), [(1, 0), (2, 2), (3, 0), (8, 5), (16, 1)])
def test_any_number_of_threads_and_of_batches_ahead_gives_the_same_bytes(index, threads, prefetch):
    assert digest(loader(index, threads=threads, prefetch=prefetch)) == digest(loader(index, threads=1))


@pytest.mark.parametrize("world", [2, 4])
def test_any_number_of_ranks_gives_the_same_bytes_in_each_step(index, world):
    whole = [np.array(batch.images) for batch in loader(index, batch=8)]
    ranks = [[np.array(b.images) for b in loader(index, batch=8 // world, rank=r, world=world)] for r in range(world)]
    assert {len(batches) for batches in ranks} == {len(whole)}
    for step, images in enumerate(whole):
        assert np.array_equal(np.concatenate([batches[step] for batches in ranks]), images)


@pytest.mark.parametrize(("decoder", "resampler"), [("simplejpeg", "numpy"), ("simplejpeg", None), (None, "numpy")])
def test_every_way_of_decoding_and_resampling_gives_the_same_bytes(index, decoder, resampler):
    other = Loader(FileSource(index, SIDE, decoder, resampler), 8)
    assert digest(other) == digest(loader(index))


def packed(image_set, folder, form, part_bytes=20_000):
    tables = []
    classes = sorted((image_set / "ILSVRC/Data/CLS-LOC/train").iterdir())
    for wnid in classes:
        files = sorted(wnid.iterdir())
        described = [image_set / "ILSVRC/Annotations/CLS-LOC/train" / wnid.name / f"{file.stem}.xml" for file in files]
        rows = look(wnid.parent, [f"{wnid.name}/{file.name}" for file in files], described)
        contents = (file.read_bytes() for file in files)
        tables.append(pack_class(wnid.name, rows, contents, folder, form, SIDE, part_bytes))
    import pyarrow.parquet as pq

    pq.write_table(merge(tables, {"images": "abc"}), folder / "manifest.parquet")
    return open_shards(folder / "manifest.parquet", folder / "shards")


@pytest.mark.parametrize("form", ["raw", "cropped"])
@pytest.mark.parametrize("shuffle", ["images", "samples"])
def test_shards_give_the_same_bytes_as_the_files(image_set, tmp_path, form, shuffle):
    names = sorted((image_set / "train.txt").read_text().split(), key=lambda path: path.split("/")[-2:])
    (tmp_path / "list.txt").write_text("\n".join(names) + "\n")
    index = build_index(tmp_path / "list.txt", tmp_path / "list.index.parquet", image_set)
    source = packed(image_set, tmp_path / form, form)
    assert len(list((tmp_path / form / "shards").rglob("*.bin"))) > 3
    shards = Loader(source, 8, shuffle=shuffle, seed=4, threads=3)
    assert digest(shards) == digest(loader(index, shuffle=shuffle, seed=4))


def test_cropped_shards_are_smaller_than_the_files(image_set, tmp_path):
    packed(image_set, tmp_path, "cropped")
    size = sum(file.stat().st_size for file in (tmp_path / "shards").rglob("*.bin"))
    assert size < 0.8 * sum((image_set / path).stat().st_size for path in (image_set / "train.txt").read_text().split())


def test_ready_samples_are_copied_without_the_compiled_kernels_too(image_set, tmp_path):
    source = packed(image_set, tmp_path, "raw")
    fast = digest(Loader(source, 8))
    source._copy = None
    assert digest(Loader(source, 8)) == fast


def test_a_manifest_whose_shard_is_cut_short_or_gone_is_refused(image_set, tmp_path):
    packed(image_set, tmp_path, "raw")
    part = sorted((tmp_path / "shards").rglob("*.bin"))[0]
    data = part.read_bytes()
    part.write_bytes(data[:-1])
    with pytest.raises(SampleError, match="shorter than its index"):
        open_shards(tmp_path / "manifest.parquet", tmp_path / "shards")
    part.unlink()
    with pytest.raises(FileNotFoundError, match=part.name):
        open_shards(tmp_path / "manifest.parquet", tmp_path / "shards")


@pytest.mark.parametrize("stop", [0, 1, 3])
def test_a_loader_goes_on_from_its_state_at_exactly_the_next_batch(index, stop):
    whole = [*loader(index, seed=3), *[]]
    first = loader(index, seed=3, prefetch=4)
    batches = iter(first)
    taken = [next(batches) for _ in range(stop)]
    state = first.state_dict()
    batches.close()
    second = loader(index, seed=3, threads=5, prefetch=0)
    second.load_state_dict(state)
    assert digest([*taken, *second]) == digest(whole)
    assert second.state_dict()["epoch"] == 1 and second.state_dict()["batch"] == 0


def test_the_end_of_an_epoch_is_the_start_of_the_next_in_another_order(index):
    one = loader(index)
    first, second = [b.samples.tolist() for b in one], [(b.epoch, b.samples.tolist()) for b in one]
    assert {epoch for epoch, _ in second} == {1} and first != [samples for _, samples in second]
    still = loader(index, reshuffle=False)
    assert digest(still) == digest(still)


def test_a_state_of_another_order_is_refused(index):
    state = loader(index, seed=1).state_dict()
    with pytest.raises(ValueError, match="not the same batch"):
        loader(index, seed=2).load_state_dict(state)


def test_a_batch_kept_is_never_written_over_and_one_dropped_is_used_again(index):
    one = loader(index, prefetch=1, threads=2)
    kept = [torch.from_numpy(batch.images)[:, ::2] for batch in one]
    copies = [tensor.clone() for tensor in kept]
    for _ in one:
        pass
    assert all(torch.equal(tensor, copy) for tensor, copy in zip(kept, copies, strict=True))
    made = one.ring.made
    del kept
    gc.collect()
    for _ in range(3):
        for _ in one:
            pass
    assert one.ring.made == made


def test_a_loop_that_drops_its_batches_needs_no_more_buffers_than_are_ahead(index):
    one = loader(index, prefetch=2, batch=4)
    for _ in range(3):
        for _ in one:
            pass
    assert one.ring.made <= 2 + 2


def test_a_buffer_comes_back_only_when_its_last_view_is_gone():
    ring = Ring((4, 2))
    first = ring.take()
    view = torch.from_numpy(first[1:3]).float().sum() is not None and torch.from_numpy(first)[2:]
    address = first.ctypes.data
    del first
    gc.collect()
    other = ring.take()
    assert other.ctypes.data != address
    del view
    gc.collect()
    assert ring.take().ctypes.data == address and ring.made == 2


def test_leaving_an_epoch_early_leaves_no_thread_behind(index):
    before = threading.active_count()
    for batch in loader(index, threads=6, prefetch=3):
        assert batch.number == 0
        break
    gc.collect()
    assert threading.active_count() == before


def small_jpeg():
    """A whole JPEG in which no box of the set has room."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG")
    return file.getvalue()


@pytest.mark.parametrize("harm", ["gone", "shorter", "longer", "damaged", "another"])
def test_a_file_that_changed_since_it_was_indexed_stops_the_epoch_and_is_named(image_set, tmp_path, harm):
    names = (image_set / "train.txt").read_text().split()[:12]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image_set / name, tmp_path / name)
    (tmp_path / "list.txt").write_text("\n".join(names) + "\n")
    index = build_index(tmp_path / "list.txt", tmp_path / "list.index.parquet")
    victim = tmp_path / names[7]
    data = victim.read_bytes()
    harmed = {
        "shorter": data[:-30],
        "longer": data + b"x",
        "damaged": data[: len(data) // 2] + bytes(len(data) - len(data) // 2),
        "another": small_jpeg().ljust(len(data), b"\0"),
    }
    victim.unlink() if harm == "gone" else victim.write_bytes(harmed[harm])
    with pytest.raises(SampleError, match=f"{victim.name}.*index"):
        for _ in loader(index, batch=4, last="wrap", threads=3):
            pass
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("reader ")]


def test_odd_files_that_can_be_used_load_with_any_hand(odd):
    first = digest(Loader(FileSource(odd, SIDE), 4, last="wrap"))
    assert digest(Loader(FileSource(odd, SIDE, "simplejpeg", "numpy"), 4, last="wrap", threads=4)) == first


def test_it_serves_pytorchs_dataloader_without_processes(index):
    batches = Batches(loader(index))
    got = [(images.clone(), labels) for images, labels in DataLoader(batches, batch_size=None)]
    assert len(got) == len(batches)
    assert got[0][0].shape == (8, SIDE, SIDE, 3) and got[0][0].dtype == torch.uint8 and got[0][1].dtype == torch.int64
    with pytest.raises(RuntimeError, match="num_workers=0"):
        next(iter(DataLoader(batches, batch_size=None, num_workers=1)))


def test_the_consumer_casts_to_nought_to_one_channels_first(index):
    images, _ = next(iter(Batches(loader(index))))
    cast = to_float(images)
    assert cast.shape == (8, 3, SIDE, SIDE) and cast.dtype == torch.float32
    assert torch.equal((cast * 255).round().to(torch.uint8).permute(0, 2, 3, 1), images)
    assert images.max() > 1, "the batch itself stays as it was"


@pytest.mark.parametrize("wrong", [{"threads": 0}, {"prefetch": -1}, {"shuffle": "buffer"}, {"last": "short"}])
def test_options_that_make_no_sense_are_refused(index, wrong):
    with pytest.raises(ValueError):
        loader(index, **wrong)
