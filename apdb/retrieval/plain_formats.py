"""What a format is, and those that need no other library: containers, messages, lines of JSON.

A format is made anew for each answer and sees its alerts one after the other; none holds more than
a few of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias

from apdb.alerts.framing import frame
from apdb.alerts.schemas import AlertSchema
from apdb.archive.container import compressor, make_block, make_header, sync_marker
from apdb.archive.writer import stamps_schema
from apdb.retrieval.content import Alert, Wanted
from apdb.retrieval.described import described, json_line, packet_json

BOUNDARY = "apdb-alert-0f3b7c52d9"
"""What stands between the parts of a multipart answer."""


MakeCursor: TypeAlias = Callable[[], str]
"""Makes the cursor that leads on after an alert; not all formats want it."""


class Format(ABC):
    """One answer in some format.

    Attributes
    ----------
    media_type : str
        For the header Content-Type.
    suffix : str
        What file names end in.
    codec : str or None
        Codec in which an alert may come compressed; None if it may not.
    """

    media_type: ClassVar[str]
    suffix: ClassVar[str]
    codec: str | None = None

    def begin(self) -> bytes:
        """Return what comes before the first alert."""
        return b""

    @abstractmethod
    def alert(self, found: Alert, cursor: MakeCursor) -> bytes:
        """Return the bytes of an alert; may be none yet.

        Parameters
        ----------
        found : Alert
            The alert.
        cursor : callable
            Makes the cursor that leads on after it.
        """

    def end(self) -> bytes:
        """Return what comes after the last."""
        return b""


class Standalone(Format):
    """An answer in which the bytes of an alert depend on no other alert, and hold no cursor."""

    @abstractmethod
    def for_thread(self) -> Callable[[Alert], bytes]:
        """Return what makes the bytes of an alert, for the use of one thread."""


class ContainerFile(Standalone):
    """An Avro object container file, one alert a block.

    Parameters
    ----------
    schema : AlertSchema
        Schema of every packet.
    what : Wanted
        Which parts.
    codec : str
        ``null``, ``deflate`` or ``zstd``.
    """

    media_type: ClassVar[str] = "application/vnd.apache.avro"
    suffix: ClassVar[str] = "avro"

    def __init__(self, schema: AlertSchema, what: Wanted, codec: str = "null") -> None:
        self._schema: Any = stamps_schema(schema) if what.content == "stamps" else schema.avro
        self.codec = codec
        self._sync = sync_marker("retrieval")
        self._alone = self._maker()

    def begin(self) -> bytes:
        """Return the header."""
        assert self.codec is not None
        return make_header("retrieval", self._schema, self.codec, {})

    def alert(self, found: Alert, cursor: MakeCursor) -> bytes:  # noqa: ARG002
        """Return a block.

        Parameters
        ----------
        found : Alert
            The alert.
        cursor : callable
            Makes the cursor that leads on after it.
        """
        return self._alone(found)

    def for_thread(self) -> Callable[[Alert], bytes]:
        """Return what makes blocks; see `Standalone`."""
        return self._maker()

    def _maker(self) -> Callable[[Alert], bytes]:
        assert self.codec is not None
        compress, sync = compressor(self.codec), self._sync

        def block(found: Alert) -> bytes:
            return make_block(
                compress(found.record) if found.packed is None else found.packed, sync
            )

        return block


def _message(found: Alert) -> bytes:
    message = frame(found.body, found.schema.registry_id)
    return len(message).to_bytes(4, "big") + message


class Messages(Standalone):
    """Confluent-framed packets, each after its length in four bytes, highest first."""

    media_type: ClassVar[str] = "application/vnd.apdb.confluent"
    suffix: ClassVar[str] = "confluent"

    def alert(self, found: Alert, cursor: MakeCursor) -> bytes:  # noqa: ARG002
        """Return length and message.

        Parameters
        ----------
        found : Alert
            The alert.
        cursor : callable
            Makes the cursor that leads on after it.
        """
        return _message(found)

    def for_thread(self) -> Callable[[Alert], bytes]:
        """Return what makes messages; see `Standalone`."""
        return _message


class Multipart(Format):
    """Confluent-framed packets as the parts of a multipart message, with headers for each."""

    media_type: ClassVar[str] = f"multipart/mixed; boundary={BOUNDARY}"
    suffix: ClassVar[str] = "multipart"

    def alert(self, found: Alert, cursor: MakeCursor) -> bytes:
        """Return a part.

        Parameters
        ----------
        found : Alert
            The alert.
        cursor : callable
            Makes the cursor that leads on after it.
        """
        message = frame(found.body, found.schema.registry_id)
        row = found.row
        head = {
            "Content-Type": "application/vnd.confluent.avro",
            "Content-Length": len(message),
            "Apdb-Alert": row.dia_source_id,
            "Apdb-Revision": row.revision,
            "Apdb-Status": row.status,
            "Apdb-Packet-Sha256": row.sha256.hex(),
            "Apdb-Cursor": cursor(),
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        return b"".join((f"--{BOUNDARY}\r\n{lines}\r\n".encode(), message, b"\r\n"))

    def end(self) -> bytes:
        """Return the last boundary."""
        return f"--{BOUNDARY}--\r\n".encode()


class Index(Format):
    """A line of JSON for each alert: what the index says of it, and a cursor; no packet."""

    media_type: ClassVar[str] = "application/x-ndjson"
    suffix: ClassVar[str] = "jsonl"

    def alert(self, found: Alert, cursor: MakeCursor) -> bytes:
        """Return a line.

        Parameters
        ----------
        found : Alert
            The alert.
        cursor : callable
            Makes the cursor that leads on after it.
        """
        return json_line(described(found.row, cursor()))


class JsonLines(Index):
    """A line of JSON for each alert: ``archive`` as of the index, ``alert`` the packet's fields."""

    def alert(self, found: Alert, cursor: MakeCursor) -> bytes:
        """Return a line.

        Parameters
        ----------
        found : Alert
            The alert.
        cursor : callable
            Makes the cursor that leads on after it.
        """
        return json_line({"archive": described(found.row, cursor()), "alert": packet_json(found)})
