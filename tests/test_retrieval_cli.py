"""`apdb alerts`, `apdb tokens` and `apdb serve` on the command line."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fastavro
import httpx
import pyarrow.parquet as pq
import pytest
from retrieval_tools import Filled, fill
from store_tools import exposures
from test_retrieval_archive import order
from typer.testing import CliRunner

import apdb
from apdb.cli.main import app
from apdb.errors import ApdbError


@pytest.fixture
def filled(db: apdb.Apdb, tmp_path: Path, dsn: str, monkeypatch: pytest.MonkeyPatch) -> Filled:
    monkeypatch.setenv("APDB_DSN", dsn)
    monkeypatch.setenv("COLUMNS", "200")
    return fill(db, tmp_path / "archive", 3)


def run(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.stdout


def test_get(filled: Filled, tmp_path: Path) -> None:
    one, two = filled.sent[3].id, filled.sent[9].id
    shown = run("alerts", "get", one, two)
    assert str(one) in shown
    assert "2 alert(s)" in shown
    found = json.loads(run("alerts", "get", one, "--json"))
    assert found[0]["alert"]["diaSource"]["diaSourceId"] == str(one)
    assert found[0]["archive"]["sha256"] == filled.sent[3].sha256.hex()
    assert json.loads(run("--json", "alerts", "get", one, "--revision", 0, "--content", "bare"))
    out = tmp_path / "two.avro"
    assert "2 alerts" in run("alerts", "get", one, two, "--out", out)
    with out.open("rb") as file:
        assert [row["diaSourceId"] for row in fastavro.reader(file)] == [one, two]  # type: ignore[index, call-overload]
    for arguments, says in [
        ((7,), "no alert 7"),
        ((one, "--out", out), "exists"),
        ((one, "--content", "half"), "must be one of"),
        ((one, "--revision", 5), "of revision 5"),
        ((one, "--revision", 0, "--out", out), "without --out"),
    ]:
        with pytest.raises(ApdbError, match=says):
            run("alerts", "get", *arguments)


def test_export_and_go_on(filled: Filled, tmp_path: Path) -> None:
    out = tmp_path / "part.avro"
    said = json.loads(
        run("--json", "alerts", "export", out, "--limit", 10, "--where", "band <> 'u'")
    )
    with out.open("rb") as file:
        first = [row["diaSourceId"] for row in fastavro.reader(file)]  # type: ignore[index, call-overload]
    assert len(first) == said["n_alerts"] == 10
    text = run("alerts", "export", out, "--overwrite", "--after", said["cursor"], "--where", "band <> 'u'",
               "--codec", "zstd")  # fmt: skip
    with out.open("rb") as file:
        rest = [row["diaSourceId"] for row in fastavro.reader(file)]  # type: ignore[index, call-overload]
    assert first + rest == order([s for s in filled.sent if s.packet["diaSource"]["band"] != "u"])
    assert text.splitlines()[1].startswith("cursor ")
    near = tmp_path / "near.tar"
    run("alerts", "export", near, "--cone", 150, 2.2, 0.03, "--format", "fits")
    assert near.stat().st_size > 1000
    run("alerts", "export", tmp_path / "few.parquet", "--limit", 2)
    assert pq.read_table(tmp_path / "few.parquet").num_rows == 2


def test_tail_keeps_its_place(filled: Filled, tmp_path: Path) -> None:
    place = tmp_path / "cursor"
    lines = run("alerts", "tail", "--cursor-file", place).splitlines()
    assert [int(json.loads(line)["diaSourceId"]) for line in lines] == order(filled.sent)
    assert run("alerts", "tail", "--cursor-file", place) == ""
    exposed = exposures(4, span=4.0)[3]
    filled.db.store_visit(exposed.visit, exposed.sources)
    lines = run("alerts", "tail", "--cursor-file", place, "--content", "no_stamps").splitlines()
    found = [json.loads(line)["alert"]["diaSourceId"] for line in lines]
    assert sorted(map(int, found)) == sorted(exposed.sources["dia_source_id"].tolist())


def test_what_the_database_archived_itself(
    db: apdb.Apdb, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APDB_DSN", dsn)
    db.set_setting("archive_url", str(tmp_path / "archive"))
    exposed = exposures(2, span=2.0)
    for each in exposed:
        db.store_visit(each.visit, each.sources)
    some = int(exposed[1].sources["dia_source_id"][0])
    assert "equal" in run("alerts", "rebuild", some)
    packet = tmp_path / "packet"
    found = json.loads(run("--json", "alerts", "rebuild", some, "--out", packet))
    assert found[0]["equal"] is True
    assert found[0]["dia_source_id"] == str(some)
    assert packet.read_bytes() == db.alert(some).body
    assert run("alerts", "verify", "--fragments", 2).splitlines()[-1] == "clean"
    night = str(exposed[0].visit.night())
    # The night lies months back: its alerts are late, which the exit code says.
    told = json.loads(run("--json", "alerts", "manifest", night, code=21))
    assert told["n_alerts"] == len(exposed[0].sources["dia_source_id"])
    assert "required   NOT met: 1 late" in run("alerts", "manifest", night, code=21)
    assert "0 alerts completed" in run("alerts", "complete")
    assert "fragments of schema 11.1" in run("alerts", "rebuild-fragments")
    for file in (tmp_path / "archive").rglob("*.packets.avro"):
        file.write_bytes(file.read_bytes()[:-10])
    assert "clean" not in run("alerts", "verify", code=21)


def test_tokens(filled: Filled) -> None:
    token = run("tokens", "add", "a broker", "--rate", 5, "--days", 30).strip()
    assert token.startswith("apdb_")
    with pytest.raises(ApdbError, match="already"):
        run("tokens", "add", "a broker")
    (listed,) = json.loads(run("--json", "tokens", "list"))
    assert (listed["name"], listed["rate"], listed["state"]) == ("a broker", 5.0, "good")
    assert token not in run("tokens", "list")
    assert "is revoked" in run("tokens", "revoke", "a broker")
    assert "revoked" in run("tokens", "list")
    with pytest.raises(ApdbError, match="no token"):
        run("tokens", "revoke", "nobody")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def serve(port: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", "from apdb.cli.main import main; main()", "serve"]
    with subprocess.Popen(
        [*command, "--port", str(port)], env=dict(os.environ), stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(url: str, process: subprocess.Popen[str]) -> None:
    give_up = time.monotonic() + 30
    while True:
        try:
            assert httpx.get(f"{url}/health").status_code == 200
            return
        except httpx.TransportError:
            assert process.poll() is None
            assert time.monotonic() < give_up
            time.sleep(0.1)


def test_serve_stops_gracefully(filled: Filled) -> None:
    token = run("tokens", "add", "broker").strip()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    headers = {"Authorization": f"Bearer {token}"}
    with serve(port) as process:
        wait_for(url, process)
        with httpx.stream("GET", f"{url}/alerts", headers=headers) as answer:
            process.send_signal(signal.SIGTERM)
            body = b"".join(answer.iter_raw())
        found = [row["diaSourceId"] for row in fastavro.reader(io.BytesIO(body))]  # type: ignore[index, call-overload]
        assert found == order(filled.sent)
        said = process.communicate(timeout=30)[1]
        assert (process.returncode, "Traceback" in said) == (0, False), said
    (listed,) = json.loads(run("--json", "tokens", "list"))
    assert listed["n_requests"] == 1


def test_serve_says_why_it_does_not(filled: Filled) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with serve(taken.getsockname()[1]) as process:
            said = process.communicate(timeout=30)[1]
            assert process.returncode == 10, said
    assert "could not listen" in said
    assert "Traceback" not in said
    filled.db.set_setting("archive_url", "")
    with serve(free_port()) as process:
        said = process.communicate(timeout=30)[1]
        assert (process.returncode, "no archive" in said) == (13, True), said
