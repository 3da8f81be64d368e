"""Files: what is read is bounded, what is written is whole, what is left over goes."""

import os
import socket
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lvgts_np.training import config_file
from lvgts_np.training.config import ConfigError, preset
from lvgts_np.training.files import load_arrays, read_json, read_table, save_arrays, write_table

LIMIT = 10_000  # bytes


def test_arrays_are_read_as_they_were_written(tmp_path):
    groups = {"phi": {"b.W": np.eye(3, dtype="f4")}, "rest": {"json": np.array("Σ"), "n": 3}}
    save_arrays(tmp_path / "x.npz", groups, synced=True)
    found = load_arrays(tmp_path / "x.npz", LIMIT)
    assert found["phi"]["b.W"].dtype == np.float32
    assert np.array_equal(found["phi"]["b.W"], np.eye(3))
    assert (str(found["rest"]["json"]), int(found["rest"]["n"])) == ("Σ", 3)
    with np.load(tmp_path / "x.npz", allow_pickle=False) as same:
        assert sorted(same) == ["phi/b.W", "rest/json", "rest/n"]


def test_a_group_that_is_not_wanted_is_neither_unpacked_nor_counted(tmp_path, monkeypatch):
    save_arrays(tmp_path / "x.npz", {"phi": {"a": np.zeros(LIMIT)}, "theta": {"b": np.ones(4)}})
    unpacked, read = [], zipfile.ZipFile.open
    monkeypatch.setattr(
        zipfile.ZipFile, "open", lambda archive, x, *how: unpacked.append(x) or read(archive, x)
    )
    assert list(load_arrays(tmp_path / "x.npz", LIMIT, ("theta", "rest"))) == ["theta"]
    assert unpacked == ["theta/b.npy"]


def test_a_file_that_unpacks_to_more_than_it_can_is_refused(tmp_path):
    path = tmp_path / "x.npz"
    with path.open("wb") as file:
        np.savez_compressed(file, **{"phi/x": np.zeros(LIMIT)})
    assert path.stat().st_size < LIMIT
    with pytest.raises(ValueError, match=f"its arrays have more than {LIMIT} bytes"):
        load_arrays(path, LIMIT)
    with path.open("wb") as file:  # sparse, and as its header says
        header = {"descr": "<f4", "fortran_order": False, "shape": (10**8,)}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(128 + 4 * 10**8)
    tracemalloc.start()
    with pytest.raises(ValueError, match="BadZipFile"):
        load_arrays(path, LIMIT)
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()
    with zipfile.ZipFile(path, "w") as archive, archive.open("phi/x.npy", "w") as member:
        header = {"descr": "<f4", "fortran_order": False, "shape": (2**24,)}
        np.lib.format.write_array_header_1_0(member, header)
    with pytest.raises(ValueError, match="EOF"):
        load_arrays(path, LIMIT)
    for content in ({"phi/x": np.array([{}], object)}, {"x": np.ones(1)}, {"a/b/c": np.ones(1)}):
        np.savez(path, **content)
        with pytest.raises(ValueError, match="[^\n]+$"):
            load_arrays(path, LIMIT)


@pytest.mark.skipif(os.name == "nt", reason="no such files here")
def test_what_never_ends_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(10**12)
    paths = [tmp_path / "fifo", tmp_path / "large", Path("/dev/zero")]
    for path in paths:
        for read in (read_json, read_table, lambda path: load_arrays(path, LIMIT)):
            with pytest.raises(ValueError, match="no regular file|that it can have|BadZipFile"):
                read(path)
        with pytest.raises(ConfigError, match=f"config {path}: .*; must be JSON"):
            config_file.load(path)


def test_a_mark_in_front_of_a_file_is_no_part_of_it(tmp_path):
    config, path = preset("dummy_amt", N=3), tmp_path / "config.json"
    config_file.save(config, path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert config_file.load(path) == config
    assert read_json(path)["N"] == 3


@pytest.mark.parametrize("text", ["a,b\n1\n", "a\nx\n", "x" * 200_000, "a\n\0\n"])
def test_a_damaged_table_is_named(tmp_path, text):
    (tmp_path / "log.csv").write_text(text)
    with pytest.raises(ValueError, match=r"log\.csv: damaged, [^\n]+$"):
        read_table(tmp_path / "log.csv")


def test_an_interrupt_while_arrays_are_written_is_one(tmp_path, monkeypatch):
    save_arrays(path := tmp_path / "x.npz", {"phi": {"x": np.zeros(3)}})
    write = np.lib.format.write_array

    def interrupted(file, x, **how):
        if x.shape == (4,):
            raise KeyboardInterrupt
        write(file, x, **how)

    monkeypatch.setattr(np.lib.format, "write_array", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_arrays(path, {"phi": {"x": np.ones(3), "y": np.ones(4)}})
    assert np.array_equal(load_arrays(path, LIMIT)["phi"]["x"], np.zeros(3))
    assert [file.name for file in tmp_path.iterdir()] == ["x.npz"]


def test_what_killed_processes_left_goes_and_what_others_write_stays(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    here = socket.gethostname()
    kept = [f".t.csv.{here}.{os.getppid()}", f".t.csv.{here}.x", ".t.csv.elsewhere.2", ".t.csv.swp"]
    for name in (f".t.csv.{here}.{child.pid}", *kept):
        (tmp_path / name).write_text("half")
    write_table(tmp_path / "t.csv", ("a",), [(1,)])
    assert {path.name for path in tmp_path.iterdir()} == {"t.csv", *kept}


def test_a_table_is_read_in_memory_of_its_own_size(tmp_path):
    write_table(tmp_path / "t.csv", ("a",), [(1,)])
    tracemalloc.start()
    read_table(tmp_path / "t.csv")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e6
