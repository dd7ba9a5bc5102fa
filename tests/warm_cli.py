"""`apdb` for shells, in processes forked of one that has imported it: importing takes longer than
most commands do."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CLIENT = """\
#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    order = json.dumps([sys.argv, os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(server, [len(order).to_bytes(4, "big")], [0, 1, 2])
    server.sendall(order)
    code = int(server.makefile().read())
sys.exit(code)
"""


@contextmanager
def warm_apdb(folder: Path) -> Iterator[Path]:
    """Put a program `apdb` into a folder, and what it talks to beside it; yield the folder."""
    address = folder / "socket"
    client = folder / "apdb"
    client.write_text(_CLIENT.format(python=sys.executable, address=str(address)))
    client.chmod(0o755)
    command = [sys.executable, "-c", f"import warm_cli; warm_cli.serve({str(address)!r})"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == b"ready\n"
            yield folder
        finally:
            server.kill()


def serve(address: str) -> None:
    """Fork a process for each command that comes; in that process, return when it is done."""
    import astropy.table  # noqa: F401  # commands that show tables would each import it

    from apdb.cli.main import main

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks what became of those who attend
    print("ready", flush=True)
    while True:
        client, _ = listener.accept()
        if os.fork() == 0:
            break
        client.close()
    listener.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, files, *_ = socket.recv_fds(client, 4, 3)
    order = client.makefile("rb").read(int.from_bytes(size, "big"))
    if command := os.fork():
        status = os.waitpid(command, 0)[1]
        client.sendall(str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)
    client.close()
    for target, file in enumerate(files):
        os.dup2(file, target)
        os.close(file)
    sys.argv, folder, environment = json.loads(order)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    main()
