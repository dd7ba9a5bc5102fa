"""Processes that images are handed to; what one does never reaches another."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from apdb.errors import ServerNotRunning
from pipeline.night.worker import Done, Image, Planned, Setup, work

_SPAWN = multiprocessing.get_context("spawn")
_THREADS = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
START_TIMEOUT = 120.0
"""Longest time that a process may take until it is ready [s]."""


@dataclass
class _Worker:
    number: int
    process: BaseProcess
    pipe: Connection
    since: float
    ready: bool = False
    image: Image | None = None
    planned: bool = False
    stage: str = "start"
    seen: set[int] = field(default_factory=set)

    @property
    def idle(self) -> bool:
        return self.ready and self.image is None and not self.planned


class Pool:
    """Processes for images.

    Parameters
    ----------
    setup : Setup
        What all images have in common.
    jobs : int
        How many processes.
    timeout : float
        A process that takes longer for an image is killed [s].
    told : callable
        Told number of the process, image and stage as it goes on.
    """

    def __init__(
        self,
        setup: Setup,
        jobs: int,
        timeout: float,
        told: Callable[[int, Image, str], None],
    ) -> None:
        self._setup = setup
        self._timeout = timeout
        self._told = told
        self._threads = max(1, (os.cpu_count() or 1) // jobs)
        self._workers = [self._start(number) for number in range(jobs)]

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def busy(self) -> int:
        """Number of images that are being processed."""
        return sum(worker.image is not None for worker in self._workers)

    @property
    def starting(self) -> bool:
        """True while no process is ready yet."""
        return not any(worker.ready for worker in self._workers)

    @property
    def idle(self) -> int:
        """Number of processes that wait for an image."""
        return sum(worker.idle for worker in self._workers)

    def hand(self, image: Image) -> bool:
        """Give an image to a process that is idle.

        Parameters
        ----------
        image : Image
            The image.

        Returns
        -------
        bool
            False if none is.
        """
        for worker in self._workers:
            if worker.idle:
                worker.image, worker.since, worker.stage = image, time.monotonic(), "start"
                worker.pipe.send(image)
                return True
        return False

    def announce(self, planned: Planned) -> int:
        """Have the processes that are idle get ready for an image.

        Parameters
        ----------
        planned : Planned
            The image.

        Returns
        -------
        int
            How many do.
        """
        n = 0
        for worker in self._workers:
            if worker.idle and planned.visit not in worker.seen:
                worker.seen.add(planned.visit)
                worker.planned, worker.since = True, time.monotonic()
                worker.pipe.send(planned)
                n += 1
        return n

    def results(self, patience: float) -> list[Done]:
        """Wait for results.

        Parameters
        ----------
        patience : float
            At most so long [s].

        Returns
        -------
        list of Done
            Also for images whose process died or took too long, and was replaced.

        Raises
        ------
        ServerNotRunning
            Processes end before they are ready: the database does not answer.
        """
        found: list[Done] = []
        pipes = {worker.pipe: worker for worker in self._workers}
        for pipe in wait(list(pipes), patience):
            assert isinstance(pipe, Connection)
            found += self._received(pipes[pipe])
        for worker in list(self._workers):
            limit = self._timeout if worker.ready else max(self._timeout, START_TIMEOUT)
            if not worker.idle and time.monotonic() - worker.since > limit:
                found += self._replaced(worker, f"took longer than {limit:g} s")
        return found

    def close(self) -> None:
        """End the processes; those that work are killed, and their images stay to be done."""
        for worker in self._workers:
            if worker.image is None and worker.process.is_alive():
                try:
                    worker.pipe.send(None)
                except OSError:
                    continue
        for worker in self._workers:
            worker.process.join(0.0 if worker.image is not None else 5.0)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.pipe.close()

    def _start(self, number: int) -> _Worker:
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(target=work, args=(theirs, self._setup), name=f"image-{number}")
        with _threads(self._threads):
            process.start()
        theirs.close()
        return _Worker(number, process, ours, time.monotonic())

    def _received(self, worker: _Worker) -> list[Done]:
        try:
            message = worker.pipe.recv()
        except (EOFError, ConnectionResetError):
            worker.process.join(5.0)
            return self._replaced(worker, _death(worker.process.exitcode))
        if message == "ready" and not worker.ready:
            worker.ready = True
        elif isinstance(message, Done):
            worker.image = None
            return [message]
        elif isinstance(message, int):
            worker.planned = False
        elif worker.image is not None:
            worker.stage = str(message)
            self._told(worker.number, worker.image, worker.stage)
        return []

    def _replaced(self, worker: _Worker, why: str) -> list[Done]:
        """Start another process in place of one that died, or is killed here."""
        if worker.process.is_alive():
            worker.process.kill()
        worker.process.join()
        worker.pipe.close()
        if not worker.ready and worker.process.exitcode == 1:
            raise ServerNotRunning(
                "The processes for images end before they are ready: the database does not answer"
            )
        self._workers[worker.number] = self._start(worker.number)
        if worker.image is None:
            return []
        return [Done(worker.image.path, stage=worker.stage, reason=f"the process {why}")]


@contextmanager
def _threads(n: int) -> Iterator[None]:
    """Limit the threads of processes that are started in a block.

    Numba and the libraries of linear algebra read these once, when they are imported.
    """
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, str(n)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _death(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        hint = ": out of memory? Use fewer --jobs" if name == "SIGKILL" else ""
        return f"was killed by {name}{hint}"
    return f"died with exit code {code}"
