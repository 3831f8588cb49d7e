"""Bytes at a URI: whole or not at all, checked when read, never outside the store."""

from __future__ import annotations

import json
from dataclasses import replace

import pyarrow as pa
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from airflow_mlops.artifacts import ArtifactStore, digest_bytes, digest_json, encode_table
from airflow_mlops.errors import ArtifactCorrupt, ArtifactMissing


def test_the_same_rows_give_the_same_bytes_whatever_metadata_they_carry(january):
    labelled = january.replace_schema_metadata({"pandas": "made by another version"})

    assert encode_table(labelled) == encode_table(january)


def test_a_table_comes_back_as_it_was_written(store, january):
    uri = store.uri("flights", "table.parquet")
    digest = store.write_table(uri, january)

    assert store.read_table(uri, digest=digest).equals(january.replace_schema_metadata(None))


def test_a_changed_file_is_refused_with_both_digests(store, january):
    uri = store.uri("flights", "table.parquet")
    digest = store.write_table(uri, january)
    store.write_bytes(uri, b"cut")

    with pytest.raises(ArtifactCorrupt, match=rf"holds 3 bytes .* but {digest[:12]} was written"):
        store.read_table(uri, digest=digest)


def test_bytes_that_are_not_parquet_are_named(store):
    uri = store.uri("table.parquet")
    store.write_bytes(uri, b"<html>not found</html>")

    with pytest.raises(ArtifactCorrupt, match=r"is not a Parquet file"):
        store.read_table(uri)


def test_a_folder_without_a_manifest_is_not_there(store):
    folder = store.uri("flights", "snapshots", "abc")
    store.write_bytes(f"{folder}/data.parquet", b"half of it")
    assert store.manifest(folder) is None

    store.complete(folder, {"rows": 3})
    assert store.manifest(folder) == {"rows": 3}


def test_writing_leaves_no_temporary_file_behind(store):
    uri = store.uri("a", "b.json")
    store.write_json(uri, {"x": 1})
    store.write_json(uri, {"x": 2})

    assert store.read_json(uri) == {"x": 2}
    assert [path.split("/")[-1] for path in store.fs.ls(store.path(store.uri("a")), detail=False)] == ["b.json"]


def test_what_was_never_written_is_said_to_be_missing(store):
    with pytest.raises(ArtifactMissing, match=r"nothing is stored at .*gone\.json"):
        store.read_json(store.uri("gone.json"))


@pytest.mark.parametrize("uri", ["file:///etc/passwd", "{root}/../outside", "{root}-beside/x"])
def test_a_place_outside_the_store_is_refused(store, uri):
    with pytest.raises(ArtifactMissing, match="is not in the artifact store"):
        store.read_bytes(uri.format(root=store.uri()))


@pytest.mark.parametrize("place", ["link.json", "folder/secret.json"])
def test_a_link_that_leads_out_of_the_store_is_not_followed(store, tmp_path, place):
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    (outside / "secret.json").write_text("{}")
    root = store.path(store.uri())
    store.write_json(store.uri("own.json"), {})
    for name, target in (("link.json", outside / "secret.json"), ("folder", outside)):
        store.fs.mkdirs(root, exist_ok=True)
        (tmp_path / name).symlink_to(target)
        (tmp_path / name).rename(f"{root}/{name}")

    assert not store.exists(store.uri(place))
    for act in (store.read_json, store.size, store.digest_of, lambda uri: store.write_json(uri, {"a": 1})):
        with pytest.raises(ArtifactMissing, match=r"leads out of the artifact store .* by a symbolic link"):
            act(store.uri(place))
    store.delete(store.uri(place))
    assert (outside / "secret.json").read_text() == "{}"


def test_a_store_behind_a_link_and_links_within_it_are_followed(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "store").symlink_to(tmp_path / "disk")
    store = ArtifactStore.local(tmp_path / "store")
    store.write_json(store.uri("a.json"), {"x": 1})
    (tmp_path / "disk" / "b.json").symlink_to(tmp_path / "disk" / "a.json")

    assert store.read_json(store.uri("b.json")) == {"x": 1}


def test_json_beyond_a_bound_is_refused_before_it_is_read(store):
    uri = store.uri("report.json")
    store.write_json(uri, {"rows": list(range(100))})

    with pytest.raises(ArtifactCorrupt, match=r"report\.json has [\d,]+ bytes, and of JSON at most 100 are read here"):
        replace(store, most_json=100).read_json(uri)
    assert replace(store, most_json=10_000).read_json(uri) == store.read_json(uri)


@pytest.mark.parametrize("text", [json.dumps([1]), "null", "[" * 100_000, "{", ""])
def test_json_that_is_no_object_is_refused(store, text):
    store.write_bytes(store.uri("manifest.json"), text.encode())

    with pytest.raises(ArtifactCorrupt, match=r"is not JSON|no object"):
        store.manifest(store.uri())


def test_key_order_does_not_change_a_digest():
    assert digest_json({"a": 1, "b": [1, 2]}) == digest_json({"b": [1, 2], "a": 1})
    assert digest_json({"a": 1}) != digest_json({"a": 2})


def test_the_store_works_on_any_fsspec_filesystem():
    store = ArtifactStore(MemoryFileSystem(), "/bucket/mlops", "memory")
    store.write_table(store.uri("t.parquet"), pa.table({"x": [1, 2]}))

    assert store.read_table(store.uri("t.parquet"))["x"].to_pylist() == [1, 2]


@pytest.mark.parametrize("kind", ["local", "memory"])
def test_a_file_of_any_size_is_written_whole_or_not_at_all(kind, tmp_path):
    places = {
        "local": ArtifactStore.local(tmp_path),
        "memory": ArtifactStore(MemoryFileSystem(), f"{tmp_path}", "memory"),
    }
    to, uri = places[kind], places[kind].uri("m", "large")

    def stopped():
        yield b"half"
        raise ArtifactMissing("gone")

    with pytest.raises(ArtifactMissing, match="gone"):
        to.write_blocks(uri, stopped())
    assert not to.exists(uri)
    to.write_blocks(uri, [b"a" * 10, b"b"])
    assert b"".join(to.blocks(uri)) == b"a" * 10 + b"b"
    assert to.digest_of(uri) == digest_bytes(b"a" * 10 + b"b")
