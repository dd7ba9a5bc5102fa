"""The alert service, over real HTTP."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fastavro
import httpx
import psycopg
import pytest
from lsst.alert.packet import SchemaRegistry
from retrieval_tools import CUTOUTS, Filled, fill
from service_tools import client, new_token, serving
from test_retrieval_archive import _normal, expire, order, same

import apdb
from apdb.service.tokens import add_token, list_tokens, revoke_token


@pytest.fixture
def filled(db: apdb.Apdb, tmp_path: Path) -> Filled:
    return fill(db, tmp_path / "archive")


@pytest.fixture
def http(filled: Filled, dsn: str) -> Iterator[httpx.Client]:
    with client(dsn) as made:
        yield made


def digest(body: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def test_one_alert_in_every_format(http: httpx.Client, filled: Filled) -> None:
    sent = filled.sent[3]
    answer = http.get(f"/alerts/{sent.id}")
    assert answer.status_code == 200
    assert same(list(fastavro.reader(io.BytesIO(answer.content))), [_normal(sent.packet)])
    assert (
        answer.headers["repr-digest"] == answer.headers["content-digest"] == digest(answer.content)
    )
    assert answer.headers["apdb-packet-sha256"] == sent.sha256.hex()
    assert answer.headers["apdb-status"] == "current"
    assert answer.headers["content-type"] == "application/vnd.apache.avro"

    message = http.get(f"/alerts/{sent.id}", params={"format": "confluent"}).content
    assert message == struct.pack(">BI", 0, 1101) + sent.encoded
    assert same(SchemaRegistry.all_schemas_from_filesystem().get_by_version("11.1").deserialize(message[5:]),
                _normal(sent.packet))  # fmt: skip
    found = http.get(f"/alerts/{sent.id}", params={"format": "json"}).json()
    assert found["alert"]["diaSourceId"] == str(sent.id)
    found = http.get(f"/alerts/{sent.id}", params={"format": "index"}).json()
    assert found["sha256"] == sent.sha256.hex()
    for name in ("tar", "fits", "parquet"):
        assert http.get(f"/alerts/{sent.id}", params={"format": name}).status_code == 200
    older = http.get(f"/alerts/{sent.id}", params={"schema": "10.0", "content": "no_stamps"})
    assert older.headers["apdb-schema"] == "1000"
    assert next(iter(fastavro.reader(io.BytesIO(older.content))))["cutoutScience"] is None  # type: ignore[index, call-overload]


def test_stamps(http: httpx.Client, filled: Filled) -> None:
    sent = filled.sent[3]
    for kind in ("difference", "science", "template"):
        answer = http.get(f"/alerts/{sent.id}/stamps/{kind}")
        assert answer.content == sent.packet[f"cutout{kind.capitalize()}"]
        assert answer.headers["content-type"] == "application/fits"
    assert http.get(f"/alerts/{sent.id}/stamps/other").status_code == 422
    record = next(iter(fastavro.reader(io.BytesIO(
        http.get(f"/alerts/{sent.id}", params={"content": "stamps"}).content))))  # fmt: skip
    assert record == {"diaSourceId": sent.id, **{name: sent.packet[name] for name in CUTOUTS}}


def test_ranges(http: httpx.Client, filled: Filled) -> None:
    path = f"/alerts/{filled.sent[3].id}"
    whole = http.get(path).content
    n = len(whole)
    for text, start, stop in [
        ("bytes=0-0", 0, 1), ("bytes=10-99", 10, 100), (f"bytes={n - 1}-", n - 1, n),
        ("bytes=-7", n - 7, n), (f"bytes=-{10 * n}", 0, n), (f"bytes=5-{10 * n}", 5, n),
    ]:  # fmt: skip
        answer = http.get(path, headers={"Range": text})
        assert (answer.status_code, answer.content) == (206, whole[start:stop]), text
        assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{n}"
        assert answer.headers["repr-digest"] == digest(whole)
        assert answer.headers["content-digest"] == digest(answer.content)
    for text in (f"bytes={n}-", f"bytes={n}-{n + 5}", "bytes=-0", f"bytes={9 * 10**30}-"):
        answer = http.get(path, headers={"Range": text})
        assert answer.status_code == 416, text
        assert answer.headers["content-range"] == f"bytes */{n}"
    for text in ("bytes=5-2", "bytes=a-b", "bytes=-", "lines=0-1", "bytes=0-1,4-5", "bytes", ""):
        answer = http.get(path, headers={"Range": text})
        assert (answer.status_code, answer.content) == (200, whole), text
    etag = http.get(path).headers["etag"]
    ranged = {"Range": "bytes=0-3"}
    assert http.get(path, headers={**ranged, "If-Range": etag}).status_code == 206
    assert http.get(path, headers={**ranged, "If-Range": '"other"'}).content == whole


def test_conditions_and_heads(
    http: httpx.Client, filled: Filled, plain_connection: psycopg.Connection[Any]
) -> None:
    path = f"/alerts/{filled.sent[3].id}"
    whole = http.get(path)
    etag = whole.headers["etag"]
    for text in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        answer = http.get(path, headers={"If-None-Match": text})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == etag
    assert http.get(path, headers={"If-None-Match": '"x"'}).status_code == 200
    head = http.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))
    other = {http.get(path, params=p).headers["etag"] for p in (
        {}, {"format": "json"}, {"content": "bare"}, {"schema": "10.0"}, {"codec": "zstd"})}  # fmt: skip
    assert len(other) == 5
    # What changes the answer changes its tag.
    filled.db.withdraw([filled.sent[3].id], reason="a satellite")
    answer = http.get(path, headers={"If-None-Match": etag})
    assert (answer.status_code, answer.headers["apdb-status"]) == (200, "withdrawn")


def stream(http: httpx.Client, **params: Any) -> httpx.Response:
    answer = http.get("/alerts", params=params)
    assert answer.status_code == 200, answer.text
    return answer


def test_streams_and_cursors(http: httpx.Client, filled: Filled) -> None:
    answer = stream(http, night="2026-03-10", content="no_stamps")
    expected = order([s for s in filled.sent if str(s.night) == "2026-03-10"])
    assert [row["diaSourceId"] for row in fastavro.reader(io.BytesIO(answer.content))] == expected  # type: ignore[index, call-overload]
    cursor = answer.headers["apdb-next-cursor"]
    again = stream(http, night="2026-03-10", content="no_stamps", after=cursor)
    assert list(fastavro.reader(io.BytesIO(again.content))) == []
    assert again.headers["apdb-next-cursor"] == cursor

    found: list[int] = []
    after = ""
    while True:
        part = stream(http, format="index", limit=7, after=after, where="psf_flux > 2000")
        ids = [int(json.loads(line)["diaSourceId"]) for line in part.text.splitlines()]
        if not ids:
            break
        found += ids
        after = part.headers["apdb-next-cursor"]
    wanted = [s for s in filled.sent if s.packet["diaSource"]["psfFlux"] > 2000]
    assert found == order(wanted)
    rest = stream(http, format="index", where="psf_flux > 2000", after=str(found[4])).text
    assert [int(json.loads(line)["diaSourceId"]) for line in rest.splitlines()] == found[5:]
    by_id = stream(http, id=[found[3], found[1]], format="index").text
    assert [int(json.loads(line)["diaSourceId"]) for line in by_id.splitlines()] == [
        found[1],
        found[3],
    ]
    near = stream(http, ra=150.0, dec=2.2, radius=0.03, format="index").text
    assert len(near.splitlines()) == len(list(filled.db.alerts(cone=(150.0, 2.2, 0.03))))


BAD: list[tuple[dict[str, Any], int, str]] = [
    ({"id": "x"}, 422, "id"),
    ({"id": 2**63}, 422, "id"),
    ({"id": 5}, 404, "no alert 5"),
    ({"night": "yesterday"}, 422, "night"),
    ({"ra": 1, "dec": 2}, 400, "three numbers"),
    ({"ra": 1, "dec": 2, "radius": 180}, 422, "radius"),
    ({"ra": "nan", "dec": 2, "radius": 1}, 422, "ra"),
    ({"ra": 1, "dec": -91, "radius": 1}, 422, "dec"),
    ({"mjd_from": "inf"}, 422, "mjd_from"),
    ({"detector": 3}, 400, "goes with a visit"),
    ({"after": "nonsense"}, 400, "not a cursor"),
    ({"after": "A" * 50}, 400, "not a cursor"),
    ({"after": 12}, 404, "nothing comes after"),
    ({"after": "9" * 19}, 404, "nothing comes after"),
    ({"where": "psf_flux > "}, 400, "condition"),
    ({"where": "1=1; drop table apdb_base.alert"}, 400, "';' has no meaning"),
    ({"where": "psf_flux = (select 1)"}, 400, "condition"),
    ({"where": "pg_sleep(60) = 1"}, 400, "no function"),
    ({"where": "band = 'g' union select sha256 from apdb_base.api_token"}, 400, "does not follow"),
    ({"where": "1e300 * 1e300 * psf_flux > 1"}, 400, "cannot be worked out"),
    ({"where": "x" * 5000}, 422, "where"),
    ({"format": "xml"}, 422, "format"),
    ({"format": "confluent", "content": "stamps"}, 400, "holds packets"),
    ({"schema": "9.9"}, 422, "schema"),
    ({"limit": 0}, 422, "limit"),
    ({"nights": "2026-03-10"}, 422, "nights"),
]  # fmt: skip


def test_bad_input_is_an_answer(http: httpx.Client) -> None:
    for params, status, says in BAD:
        answer = http.get("/alerts", params=params)
        assert answer.status_code == status, (params, answer.text)
        assert says in answer.json()["message"], params
        assert "Traceback" not in answer.text


def test_what_is_not_there(http: httpx.Client) -> None:
    for path in (
        "/alerts/7", "/alerts/9223372036854775807", "/alerts/7/stamps/science",
        "/alerts/7/revisions", "/schemas/ids/7", "/nothing", "/alerts/..%2f..%2fetc%2fpasswd",
    ):  # fmt: skip
        answer = http.get(path)
        assert answer.status_code in {404, 422}, path
        assert answer.json()["message"]


def test_an_injection_changes_nothing(http: httpx.Client, filled: Filled) -> None:
    text = "band = 'g'' or 1=1; delete from apdb.alert --'"
    assert stream(http, where=text, format="index").text == ""
    assert len(stream(http, format="index").text.splitlines()) == len(filled.sent)


def test_tokens(filled: Filled, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import apdb.service.access

    monkeypatch.setattr(apdb.service.access, "TOKEN_MEMORY", 0.0)
    good = new_token(dsn, "good")
    expired = new_token(dsn, "expired", days=1e-7)
    revoked = new_token(dsn, "revoked")
    with psycopg.connect(dsn) as connection:
        revoke_token(connection, "revoked")
    path = f"/alerts/{filled.sent[0].id}"
    with serving(dsn) as (url, _), httpx.Client(base_url=url) as http:
        for header, says in [
            (None, "send a token"),
            ("Bearer", "not known"),
            (f"Bearer {good[:-1]}", "not known"),
            (f"Bearer {good[:-1]}{'A' if good[-1] != 'A' else 'B'}", "not known"),
            ("Bearer apdb_" + "A" * 43, "not known"),
            ("Bearer " + "x" * 5000, "not known"),
            (f"Basic {good}", "not known"),
            (good, "not known"),
            (f"Bearer {expired}", "is expired"),
            (f"Bearer {revoked}", "is revoked"),
        ]:
            for target in (path, "/alerts?limit=1"):
                answer = http.get(target, headers={"Authorization": header} if header else {})
                assert answer.status_code == 401, header
                assert says in answer.json()["message"]
                assert answer.headers["www-authenticate"].startswith("Bearer")
        assert http.get(path, headers={"Authorization": f"Bearer {good}"}).status_code == 200
        assert http.get(path, headers={"Authorization": f"bearer  {good}"}).status_code == 200
        with psycopg.connect(dsn) as connection:
            revoke_token(connection, "good")
        answer = http.get(path, headers={"Authorization": f"Bearer {good}"})
        assert (answer.status_code, answer.json()["message"]) == (401, "the token is revoked")


def test_the_database_keeps_no_token(dsn: str, plain_connection: psycopg.Connection[Any]) -> None:
    token = add_token(plain_connection, "a", 5.0, 30.0)
    row = plain_connection.execute(
        "select t::text, t.sha256 from apdb_base.api_token as t"
    ).fetchone()
    assert row is not None
    assert token not in row[0]
    assert row[1] == hashlib.sha256(token.encode()).digest()
    (listed,) = list_tokens(plain_connection)
    assert (listed.name, listed.rate, listed.state) == ("a", 5.0, "good")
    for name, rate, days in [("a", 1.0, None), ("", 1.0, None), ("b", 0.0, None), ("b", 1.0, -1.0),
                             ("b", float("nan"), None)]:  # fmt: skip
        with pytest.raises(psycopg.Error) as caught, plain_connection.transaction():
            add_token(plain_connection, name, rate, days)
        assert caught.value.sqlstate == "VA001"


def test_unknown_tokens_are_not_looked_up_without_limit(
    filled: Filled, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import apdb.service.access

    monkeypatch.setattr(apdb.service.access, "TOKEN_MEMORY", 0.0)
    monkeypatch.setattr(apdb.service.access, "UNKNOWN_RATE", 1e-3)
    monkeypatch.setattr(apdb.service.access, "_UNKNOWN_BURST", 5.0)
    good, late = new_token(dsn, "good"), new_token(dsn, "late")
    path = f"/alerts/{filled.sent[0].id}"
    with serving(dsn) as (url, _), httpx.Client(base_url=url) as http:

        def status(token: str) -> int:
            return http.get(path, headers={"Authorization": f"Bearer {token}"}).status_code

        assert status(good) == 200
        forged = ["apdb_" + f"{k:043d}" for k in range(8)]
        assert [status(token) for token in forged] == [401] * 4 + [429] * 4
        # Whose token was good before goes on; a new one has to wait.
        assert [status(good), status(late), status(good)] == [200, 429, 200]


def test_rate_of_a_token(filled: Filled, dsn: str) -> None:
    slow = new_token(dsn, "slow", rate=2.0)
    fast = new_token(dsn, "fast", rate=1e5)
    path = f"/alerts/{filled.sent[0].id}"
    with serving(dsn) as (url, _), httpx.Client(base_url=url) as http:
        statuses = [
            http.get(path, headers={"Authorization": f"Bearer {slow}"}).status_code
            for _ in range(30)
        ]
        assert statuses.count(200) in range(10, 20)
        assert set(statuses) == {200, 429}
        refused = http.get(path, headers={"Authorization": f"Bearer {slow}"})
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert http.get(path, headers={"Authorization": f"Bearer {fast}"}).status_code == 200


def test_anonymous_access(filled: Filled, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import apdb.service.access

    monkeypatch.setattr(apdb.service.access, "ANONYMOUS_SETS", 12)
    path = f"/alerts/{filled.sent[0].id}"
    with serving(dsn, anonymous=True) as (url, _), httpx.Client(base_url=url) as http:
        statuses = [http.get(f"{path}/stamps/science").status_code for _ in range(6)]
        statuses += [http.get(path).status_code for _ in range(8)]
        assert statuses == [200] * 12 + [429] * 2
        assert http.get("/alerts").status_code == 401
        bad = http.get(path, headers={"Authorization": "Bearer x"})
        assert bad.status_code == 401
    assert apdb.service.access.ANONYMOUS_SECONDS == 35.0


def test_audit_and_metrics(http: httpx.Client, filled: Filled, dsn: str) -> None:
    sent = filled.sent[0]
    http.get(f"/alerts/{sent.id}")
    n = len(stream(http, visit=2).content)
    http.get("/alerts", params={"where": "nonsense"})
    assert http.get("/health").json() == {"status": "ok"}
    text = http.get("/metrics").text
    assert 'apdb_requests_total{method="GET",route="/alerts/{alert_id}",status="200"} 1.0' in text
    assert 'apdb_requests_total{method="GET",route="/alerts",status="400"} 1.0' in text
    assert f"apdb_alerts_sent_total {1 + len(filled.of(2))}.0" in text
    assert "apdb_streams_open 0.0" in text
    rows: list[Any] = []
    give_up = time.monotonic() + 20
    while len(rows) < 3 and time.monotonic() < give_up:
        time.sleep(0.1)
        with psycopg.connect(dsn) as connection:
            rows = connection.execute(
                "select t.name, r.client, r.request, r.status, r.n_alerts, r.n_bytes "
                "from apdb_base.api_audit as r left join apdb_base.api_token as t using (token_id) "
                "order by audit_id"
            ).fetchall()
    assert rows[:2] == [
        ("tester", "127.0.0.1", f"GET /alerts/{sent.id}", 200, 1, rows[0][5]),
        ("tester", "127.0.0.1", "GET /alerts?visit=2", 200, len(filled.of(2)), n),
    ]
    assert rows[2][2:5] == ("GET /alerts?where=nonsense", 400, 0)


def test_schemas(http: httpx.Client) -> None:
    listed = {entry["id"]: entry for entry in http.get("/schemas").json()}
    assert {1000, 1100, 1101} <= listed.keys()
    for number, version in ((1000, "10.0"), (1100, "11.0"), (1101, "11.1")):
        text = http.get(f"/schemas/ids/{number}").json()["schema"]
        public = SchemaRegistry.all_schemas_from_filesystem().get_by_version(version)
        names = [field["name"] for field in json.loads(text)["fields"]]
        assert names == [field["name"] for field in public.definition["fields"]]
        fastavro.parse_schema(json.loads(text))


def test_damage_over_http(http: httpx.Client, filled: Filled) -> None:
    (file,) = filled.place.rglob("*/3_*.packets.avro")
    whole = file.read_bytes()
    victim = filled.of(3)[0]
    file.write_bytes(whole[:-6000])
    broken = [http.get(f"/alerts/{s.id}") for s in filled.of(3)]
    statuses = {answer.status_code for answer in broken}
    assert statuses == {200, 500}
    for answer, sent in zip(broken, filled.of(3), strict=True):
        if answer.status_code == 200:
            assert same(list(fastavro.reader(io.BytesIO(answer.content))), [_normal(sent.packet)])
        else:
            assert answer.json()["error"] == "ArchiveCorrupt"
            assert str(sent.id) in answer.json()["message"]
            assert str(filled.place) not in answer.text
    file.write_bytes(whole[:100] + bytes(len(whole) - 100))
    assert http.get(f"/alerts/{victim.id}").status_code == 500
    assert http.get("/alerts", params={"visit": 3}).status_code == 500
    file.unlink()
    assert http.get(f"/alerts/{victim.id}").status_code == 500
    assert http.get("/alerts", params={"visit": 2}).status_code == 200


def test_damage_in_the_middle_cuts_a_stream(
    http: httpx.Client, filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    import apdb.retrieval.formats

    monkeypatch.setattr(apdb.retrieval.formats, "CHUNK", 1000)
    (file,) = filled.place.rglob("*/4_*.packets.avro")
    file.write_bytes(file.read_bytes()[:-50])
    got = b""
    with pytest.raises(httpx.RemoteProtocolError), http.stream("GET", "/alerts") as answer:  # noqa: PT012
        assert answer.status_code == 200
        for piece in answer.iter_raw():
            got += piece
    assert len(got) > 10_000
    assert 'apdb_streams_broken_total{reason="archive"} 1.0' in http.get("/metrics").text
    assert "apdb_streams_open 0.0" in http.get("/metrics").text


def test_what_retention_removed_is_gone(
    http: httpx.Client, filled: Filled, plain_connection: psycopg.Connection[Any]
) -> None:
    expire(plain_connection, "%/2_001_%.packets.avro")
    answer = http.get(f"/alerts/{filled.of(2)[0].id}")
    assert (answer.status_code, answer.json()["error"]) == (410, "AlertRemoved")
    whole = http.get(f"/alerts/{filled.of(1)[0].id}")
    expire(plain_connection, "%/1_000_%.stamps.avro")
    # Without its stamps it is another body: no client may go on with the rest of the first.
    again = http.get(
        f"/alerts/{filled.of(1)[0].id}",
        headers={"Range": "bytes=1000-", "If-Range": whole.headers["etag"]},
    )
    assert again.status_code == 200
    assert len(again.content) < len(whole.content)


def test_files_of_a_night(http: httpx.Client, filled: Filled) -> None:
    listed = http.get("/nights/2026-03-10/files").json()
    assert {file["kind"] for file in listed} == {"packets", "stamps"}
    for file in listed:
        whole = (filled.place / file["path"]).read_bytes()
        answer = http.get(f"/files/{file['path']}")
        assert answer.content == whole
        assert answer.headers["repr-digest"] == digest(whole)
        assert file["sha256"] == hashlib.sha256(whole).hexdigest()
        part = http.get(f"/files/{file['path']}", headers={"Range": "bytes=1000-"})
        assert (part.status_code, part.content) == (206, whole[1000:])
        assert part.headers["content-range"] == f"bytes 1000-{len(whole) - 1}/{len(whole)}"
        known = {"If-None-Match": answer.headers["etag"]}
        assert http.get(f"/files/{file['path']}", headers=known).status_code == 304
        head = http.head(f"/files/{file['path']}")
        assert (head.headers["content-length"], head.content) == (str(len(whole)), b"")
        outside = {"Range": f"bytes={len(whole)}-"}
        assert http.get(f"/files/{file['path']}", headers=outside).status_code == 416
    (filled.place / "secret").write_text("x")
    for path in (
        "secret",
        "../secret",
        "%2e%2e/secret",
        "/etc/passwd",
        "a%00b",
        listed[0]["path"] + "/",
    ):
        assert http.get(f"/files/{path}").status_code == 404, path
    assert http.get("/nights/1999-01-01/files").json() == []
    path = filled.place / listed[0]["path"]
    path.write_bytes(path.read_bytes()[:-1])
    assert http.get(f"/files/{listed[0]['path']}").status_code == 500
    path.unlink()
    assert http.get(f"/files/{listed[0]['path']}").status_code == 500


def test_revisions(http: httpx.Client, filled: Filled) -> None:
    sent = filled.sent[0]
    (only,) = http.get(f"/alerts/{sent.id}/revisions").json()
    assert (only["revision"], only["status"], only["sha256"]) == (0, "current", sent.sha256.hex())
    assert http.get(f"/alerts/{sent.id}", params={"revision": 1}).status_code == 404


def test_five_streams_at_once(http: httpx.Client, filled: Filled) -> None:
    with ThreadPoolExecutor(5) as pool:
        found = list(pool.map(lambda _: stream(http).content, range(5)))
    expected = [_normal(s.packet) for s in sorted(filled.sent, key=lambda s: (s.store_seq, s.id))]
    for body in found:
        assert same(list(fastavro.reader(io.BytesIO(body))), expected)


def test_a_hundred_clients(filled: Filled, dsn: str) -> None:
    token = new_token(dsn)
    ids = [s.id for s in filled.sent]
    sha = {s.id: s.sha256.hex() for s in filled.sent}

    def ask(k: int) -> list[bool]:
        with httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60
        ) as one:
            found = []
            for j in range(20):
                wanted = ids[(k * 20 + j) % len(ids)]
                answer = one.get(f"/alerts/{wanted}", params={"format": "confluent"})
                assert answer.status_code == 200
                found.append(hashlib.sha256(answer.content[5:]).hexdigest() == sha[wanted])
            return found

    with serving(dsn) as (url, _), ThreadPoolExecutor(100) as pool:
        assert all(all(found) for found in pool.map(ask, range(100)))


def test_too_many_streams_are_refused(filled: Filled, dsn: str) -> None:
    with client(dsn, max_streams=1) as http:
        held = threading.Event()
        # A service that counts its only stream as open refuses the next and gives it back later.
        with http.stream("GET", "/alerts", params={"format": "index"}) as first:
            first.read()
        held.set()
        assert stream(http, limit=1).status_code == 200
    with serving(dsn, max_streams=1) as (url, service):
        service.access.begin_stream()
        token = new_token(dsn, "second")
        answer = httpx.get(f"{url}/alerts", headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        service.access.end_stream()
        answer = httpx.get(f"{url}/alerts", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200


def test_a_client_that_goes_away_frees_its_stream(
    http: httpx.Client, filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    import apdb.retrieval.formats

    monkeypatch.setattr(apdb.retrieval.formats, "CHUNK", 1000)
    with http.stream("GET", "/alerts") as answer:
        next(answer.iter_raw(100))
    give_up = time.monotonic() + 20
    while "apdb_streams_open 0.0" not in http.get("/metrics").text:
        assert time.monotonic() < give_up
        time.sleep(0.05)


def test_the_database_away(
    filled: Filled, dsn: str, plain_connection: psycopg.Connection[Any]
) -> None:
    with client(dsn) as http:
        path = f"/alerts/{filled.sent[0].id}"
        assert http.get(path).status_code == 200
        plain_connection.rollback()
        plain_connection.autocommit = True
        plain_connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name like 'apdb serve%'"
        )
        statuses = [http.get(path).status_code for _ in range(12)]
        assert set(statuses) <= {200, 503}
        assert statuses[-1] == 200
