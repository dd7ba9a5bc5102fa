"""Container files of the archive: written, read in parts, read by others, damaged."""

from __future__ import annotations

import io
import itertools
import json
import os
import sys
import threading
import tracemalloc
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pytest
import zstandard
from alert_tools import public_package
from archive_tools import CUTOUTS, NIGHT, Schema, Sent, alerts, locations, sha256, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apdb.alerts.encoding import encode_long
from apdb.alerts.schemas import alert_schema
from apdb.archive.blocks import read_blocks
from apdb.archive.container import CODECS, Header, make_block, read_long, sync_marker
from apdb.archive.place import Place
from apdb.archive.reader import Location, Span, read_metadata, read_packets, read_stamps
from apdb.archive.writer import VisitWriter
from apdb.errors import ArchiveCorrupt, ArchiveUnavailable, InvalidInput, NotFound

INT64 = st.integers(-(2**63), 2**63 - 1)


@pytest.fixture(params=["folder", "file", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """The same archive on a folder, behind a URL, and somewhere that is no disk."""
    urls = {
        "folder": str(tmp_path / "not there yet" / "archive"),
        "file": f"file://{tmp_path}/archive",
        "memory": f"memory://{tmp_path.name}/archive",
    }
    made = Place(urls[request.param])
    yield made
    for entry in made.entries():
        made.remove(entry.path)


@given(value=INT64)
def test_longs_are_those_of_fastavro(value: int) -> None:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, "long", value)
    assert encode_long(value) == out.getvalue()
    assert read_long(b"x" + out.getvalue() + b"y", 1) == (value, 1 + len(out.getvalue()))


def test_a_long_that_is_cut_off_or_endless_is_told() -> None:
    for data in (b"", b"\x80", b"\xff" * 9, b"\xff" * 20):
        with pytest.raises(ArchiveCorrupt):
            read_long(data, 0)


@pytest.mark.parametrize("codec", CODECS)
def test_round_trip_in_every_place(place: Place, codec: str) -> None:
    sent = alerts(300)
    published = write(place, sent, codec=codec)
    rows = locations(published)
    assert list(read_packets(place, rows)) == [each.full for each in sent]
    assert list(read_packets(place, rows, stamps=False)) == [each.bare for each in sent]
    assert list(read_stamps(place, rows)) == [each.tail or b"\0\0\0" for each in sent]
    # Any order, any part, the same alert twice.
    order = np.random.default_rng(3).integers(0, 300, 500).tolist()
    assert list(read_packets(place, (rows[k] for k in order))) == [sent[k].full for k in order]
    assert [row.tobytes() for row in published.sha256] == [sha256(each.full) for each in sent]
    assert published.packets.size.tolist() == [len(each.bare) for each in sent]
    assert published.stamps.size.tolist() == [
        -1 if each.tail is None else len(each.tail) for each in sent
    ]
    for file in published.files:
        size = place.size(file.path)
        assert size == file.size
        assert place.sha256(file.path) == file.sha256 == sha256(place.read(file.path, 0, size))
    assert [(f.kind, f.n_alerts) for f in published.files] == [("packets", 300), ("stamps", 200)]


@pytest.mark.parametrize("codec", CODECS)
def test_fastavro_reads_both_files(tmp_path: Path, codec: str) -> None:
    place, sent = Place(tmp_path), alerts(40)
    published = write(place, sent, codec=codec)
    with (tmp_path / published.packet_file).open("rb") as file:
        reader = fastavro.reader(file)
        assert list(reader) == [each.record(stamps=False) for each in sent]
        fields = reader.writer_schema["fields"]  # type: ignore[index]
        assert [f["name"] for f in fields] == ["diaSourceId", "note", "rest", *CUTOUTS]
    assert published.stamps_file is not None
    with (tmp_path / published.stamps_file).open("rb") as file:
        found = list(fastavro.reader(file))
    assert found == [
        {"diaSourceId": each.dia_source_id, **dict(zip(CUTOUTS, each.stamps, strict=True))}
        for each in sent
        if each.tail is not None
    ]


def test_each_alert_is_a_block_as_the_ranges_say(tmp_path: Path) -> None:
    published = write(Place(tmp_path), alerts(30))
    path = tmp_path / published.packet_file
    with path.open("rb") as file:
        blocks = [(b.offset, b.size, b.num_records) for b in fastavro.block_reader(file)]
    assert blocks == [
        (o, n, 1)
        for o, n in zip(
            published.packet_offset.tolist(), published.packet_length.tolist(), strict=True
        )
    ]
    data = path.read_bytes()
    crcs = [zlib.crc32(data[o : o + n]) for o, n, _ in blocks]
    assert published.packets.crc.astype(np.uint32).tolist() == crcs


def test_the_header_says_what_the_file_is(tmp_path: Path) -> None:
    place = Place(tmp_path)
    published = write(place, alerts(3), codec="deflate", visit=12, detector=5, attempt=99)
    for path in (published.packet_file, published.stamps_file):
        assert path is not None
        meta = read_metadata(place, path)
        assert meta["avro.codec"] == "deflate"
        said = {k.removeprefix("apdb."): v for k, v in meta.items() if k.startswith("apdb.")}
        assert said == {
            "visit": "12", "detector": "5", "night": NIGHT, "attempt": "99", "content": "full",
            "schema_version": "11.1",
        }  # fmt: skip
    assert json.loads(read_metadata(place, published.packet_file)["avro.schema"]) == Schema.avro


def test_no_alerts_and_no_stamps(tmp_path: Path) -> None:
    place = Place(tmp_path)
    nothing = write(place, [])
    assert nothing.stamps_file is None
    assert nothing.sha256.shape == (0, 32)
    with (tmp_path / nothing.packet_file).open("rb") as file:
        assert list(fastavro.reader(file)) == []
    without = write(place, alerts(10), stamps=False)
    assert [file.kind for file in without.files] == ["packets"]
    assert list(read_packets(place, locations(without))) == [each.bare for each in alerts(10)]


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    place = Place(tmp_path)
    writer = VisitWriter(
        place, visit=1, detector=1, night=NIGHT, attempt=4, schema=Schema()
    )  # fmt: skip
    sent = alerts(500)
    writer.add(
        [s.dia_source_id for s in sent], [s.bare for s in sent], [s.tail for s in sent]
    )  # fmt: skip
    assert not [e.path for e in place.entries() if not e.path.endswith(".part")]
    published = writer.publish()
    assert [e.path for e in place.entries()] == [published.packet_file, published.stamps_file]
    writer.abandon()
    assert place.entries() == []


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere priorities are of processes")
def test_who_compresses_lets_the_database_go_first(tmp_path: Path) -> None:
    found: list[int] = []

    class Stamps:
        def __len__(self) -> int:
            return 1

        def records(self, rows: slice, names: Sequence[bytes]) -> list[Any]:
            found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
            return [None for _ in names]

    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    writer = VisitWriter(
        Place(tmp_path), visit=1, detector=1, night=NIGHT, attempt=1, schema=Schema()
    )
    (sent,) = alerts(1)
    writer.add([sent.dia_source_id], [sent.bare], Stamps())
    writer.publish()
    assert before < found[0] or found == [before] == [19]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before


def test_two_attempts_never_share_a_name(tmp_path: Path) -> None:
    names = {write(Place(tmp_path), alerts(1)).packet_file for _ in range(20)}
    assert len(names) == 20


def test_wrong_packets_are_refused(tmp_path: Path) -> None:
    sent = alerts(5)
    ids = [each.dia_source_id for each in sent]
    wrong: list[tuple[Any, Any, Any]] = [
        (ids, [each.bare for each in sent[1:]], None),
        (ids[::-1], [each.bare for each in sent], None),
        (ids, [each.full for each in sent], [b"\x02\x02x\0\0"] * 5),
    ]
    for given_ids, packets, tails in wrong:
        writer = VisitWriter(
            Place(tmp_path), visit=1, detector=1, night=NIGHT, attempt=1, schema=Schema()
        )
        with pytest.raises(ValueError, match=r"alert \d+|same length"):
            _publish(writer, given_ids, packets, tails)
        writer.abandon()
    assert Place(tmp_path).entries() == []


def _publish(writer: VisitWriter, *given: Any) -> None:
    writer.add(*given)
    writer.publish()


def test_a_full_or_forbidden_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "archive").write_text("a file where the folder should be")
    with pytest.raises(ArchiveUnavailable, match="cannot be used"):
        write(Place(tmp_path / "archive"), alerts(3))
    with pytest.raises(ArchiveUnavailable, match="archive_url is empty"):
        Place("")
    with pytest.raises(ArchiveUnavailable, match="nosuch"):
        Place("nosuch://bucket/x")
    with pytest.raises(InvalidInput, match="lzma"):
        write(Place(tmp_path / "other"), alerts(3), codec="lzma")
    for path in ("../x", "/etc/passwd", "a/../../b", ""):
        with pytest.raises(InvalidInput, match="no path below"):
            Place(tmp_path).read(path, 0, 1)


def test_a_disk_that_is_full_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No device here is small enough to fill: the system's own error, at the first flush.
    def full(_: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ArchiveUnavailable, match="No space left"):
        write(Place(tmp_path), alerts(3))
    monkeypatch.undo()
    assert Place(tmp_path).entries() == []


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.lists(
        st.builds(
            Sent,
            INT64,
            st.none() | st.text(max_size=20),
            st.binary(max_size=3000),
            st.tuples(*[st.none() | st.binary(max_size=500)] * 3),
        ),
        max_size=30,
        unique_by=lambda sent: sent.dia_source_id,
    ),
    codec=st.sampled_from(CODECS),
    at_once=st.integers(1, 40),
)
def test_any_alerts_come_back_byte_for_byte(
    tmp_path: Path, rows: list[Sent], codec: str, at_once: int
) -> None:
    place = Place(tmp_path)
    published = write(place, rows, codec=codec, at_once=at_once)
    found = locations(published)
    assert list(read_packets(place, found)) == [each.full for each in rows]
    assert list(read_packets(place, found, stamps=False)) == [each.bare for each in rows]
    with (tmp_path / published.packet_file).open("rb") as file:
        assert list(fastavro.reader(file)) == [each.record(stamps=False) for each in rows]


class Damaged:
    """An archive of ten alerts, one of whose files can be changed."""

    def __init__(self, folder: Path, codec: str) -> None:
        self.place, self.sent = Place(folder), alerts(10)
        self.published = write(self.place, self.sent, codec=codec)
        self.rows = locations(self.published)
        assert self.published.stamps_file is not None
        self.files = [folder / self.published.packet_file, folder / self.published.stamps_file]
        self.whole = [path.read_bytes() for path in self.files]

    def check(self, which: int, data: bytes) -> int:
        """Return how many reads are refused; none of the others may be wrong."""
        self.files[which].write_bytes(data)
        refused = 0
        for sent, row in zip(self.sent, self.rows, strict=True):
            for stamps in (True, False):
                try:
                    (found,) = read_packets(self.place, [row], stamps=stamps)
                except ArchiveCorrupt as error:
                    refused += str(sent.dia_source_id) in str(error)
                else:
                    assert found == (sent.full if stamps else sent.bare)
        self.files[which].write_bytes(self.whole[which])
        return refused

    def whole_file(self, which: int, data: bytes) -> str | None:
        """Go through a file as `verify` does; return what is said, None if nothing is."""
        try:
            list(read_blocks(io.BytesIO(data)))
        except ArchiveCorrupt as error:
            return str(error)
        return None


@pytest.fixture(scope="module", params=CODECS)
def damaged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Damaged:
    return Damaged(tmp_path_factory.mktemp("damaged"), request.param)


@settings(max_examples=120, deadline=None)
@given(data=st.data(), which=st.sampled_from([0, 1]))
def test_a_flipped_bit_never_makes_a_wrong_packet(
    damaged: Damaged, data: st.DataObject, which: int
) -> None:
    whole = damaged.whole[which]
    at = data.draw(st.integers(0, len(whole) * 8 - 1))
    changed = bytearray(whole)
    changed[at // 8] ^= 1 << at % 8
    ranges = [span for row in damaged.rows if (span := (row.packet, row.stamps)[which]) is not None]
    hit = any(span.offset <= at // 8 < span.offset + span.length for span in ranges)
    assert bool(damaged.check(which, bytes(changed))) == hit


@settings(max_examples=60, deadline=None)
@given(data=st.data(), which=st.sampled_from([0, 1]))
def test_a_file_cut_off_anywhere_never_makes_a_wrong_packet(
    damaged: Damaged, data: st.DataObject, which: int
) -> None:
    whole = damaged.whole[which]
    length = data.draw(st.integers(0, len(whole) - 1))
    assert damaged.check(which, whole[:length]) > 0
    ends = {len(whole)}
    with io.BytesIO(whole) as file:
        for part in read_blocks(file):
            ends.add(part.length if isinstance(part, Header) else part.offset + part.length)
    # Cut between two blocks it is a whole file with fewer alerts; its length and SHA-256 tell.
    assert (damaged.whole_file(which, whole[:length]) is None) == (length in ends)


@settings(max_examples=60, deadline=None)
@given(junk=st.binary(max_size=400))
def test_junk_is_no_file(junk: bytes) -> None:
    with pytest.raises(ArchiveCorrupt):
        list(read_blocks(io.BytesIO(junk)))
    with pytest.raises(ArchiveCorrupt):
        list(read_blocks(io.BytesIO(b"Obj\x01" + junk)))


def test_ranges_that_cannot_be(tmp_path: Path) -> None:
    place = Place(tmp_path)
    rows = locations(write(place, alerts(3)))
    span = rows[0].packet
    for offset, length in ((-1, 10), (0, 0), (0, 2**40), (10**12, 100), (span.offset + 1, 50)):
        wrong = rows[0]._replace(packet=Span(span.file, offset, length), stamps=None, sha256=None)
        with pytest.raises(ArchiveCorrupt):
            list(read_packets(place, [wrong]))
    other = rows[0]._replace(packet=rows[1].packet)
    with pytest.raises(ArchiveCorrupt, match="another alert"):
        list(read_packets(place, [other]))
    gone = rows[0]._replace(packet=span._replace(file="x/y.avro"))
    with pytest.raises(NotFound, match=r"x/y\.avro"):
        list(read_packets(place, [gone]))


def test_a_block_of_another_file_is_told_without_its_header(tmp_path: Path) -> None:
    place, sent = Place(tmp_path), alerts(3)
    one, two = (write(place, sent, stamps=False, codec="null") for _ in range(2))
    (tmp_path / one.packet_file).write_bytes((tmp_path / two.packet_file).read_bytes())
    row = locations(one)[0]._replace(sha256=None)
    row = row._replace(packet=row.packet._replace(crc=None))
    with pytest.raises(ArchiveCorrupt, match="sync marker"):
        list(read_packets(place, [row]))


def test_a_packet_that_claims_to_be_huge_takes_no_memory(tmp_path: Path) -> None:
    place = Place(tmp_path)
    bomb = zstandard.ZstdCompressor(write_content_size=True).compress(b"\0" * 2**20)
    # The frame's own word for its length, 2^60.
    forged = bomb[:4] + bytes([0xE0]) + (2**60).to_bytes(8, "little") + bomb[8:]
    path = f"{NIGHT}/forged.avro"
    place.put(path, make_block(forged, sync_marker(path)))
    size = place.size(path)
    assert size is not None
    with pytest.raises(ArchiveCorrupt, match="sensible length"):
        list(read_packets(place, [Location(1, Span(path, 0, size), None, "zstd")]))


def test_reading_many_holds_little(tmp_path: Path) -> None:
    place = Place(tmp_path)
    sent = [Sent(k, None, os.urandom(40_000)) for k in range(2000)]
    rows = locations(write(place, sent, codec="null"))
    del sent
    tracemalloc.start()
    n = sum(len(packet) for packet in itertools.chain(read_packets(place, rows)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n > 80e6
    assert peak < 40e6


def test_real_alerts_are_read_by_the_survey_s_own_package(test_data: Path, tmp_path: Path) -> None:
    schema = alert_schema("10.0")
    with (test_data / "rubin" / "alerts.avro").open("rb") as file:
        real: list[Any] = list(itertools.islice(fastavro.reader(file), 20))
    parsed = fastavro.parse_schema(schema.avro)
    bare, tails = [], []
    for alert in real:
        packets = []
        for record in (alert, {**alert, **dict.fromkeys(CUTOUTS)}):
            out = io.BytesIO()
            fastavro.schemaless_writer(out, parsed, record)
            packets.append(out.getvalue())
        bare.append(packets[1])
        tails.append(packets[0][len(packets[1]) - 3 :])
    place = Place(tmp_path)
    writer = VisitWriter(
        place, visit=1, detector=1, night=NIGHT, attempt=1, schema=schema, codec="zstd"
    )
    writer.add([alert["diaSourceId"] for alert in real], bare, tails)
    published = writer.publish()
    lsst = public_package("10.0")
    for alert, packet in zip(real, read_packets(place, locations(published)), strict=True):
        found = lsst.deserialize(packet)
        for name in ("diaSourceId", "diaSource", *CUTOUTS):
            assert found[name] == alert[name]
    with (tmp_path / published.packet_file).open("rb") as file:
        _, records = lsst.retrieve_alerts(file)
        assert [r["diaSourceId"] for r in records] == [alert["diaSourceId"] for alert in real]
