"""Starts our commands in processes forked from one that has imported everything already.

Importing costs a command more than all that a test has it do, and the tests start hundreds. `installed` makes
`subprocess.Popen` fork those that `recognised` lists; everything else starts as ever. A forked command is a process
like any other: a child of who started it, with its own pid, streams, folder, environment and signals.

Needs Linux: the forked process is adopted by who started it, as a child subreaper. Elsewhere everything starts as ever.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import fcntl
import importlib
import inspect
import io
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
MAIN: Final = "from dispatcher.cli import main; main()"
MODULES: Final = ("loadtest.sim.command", "tests.crash.command", "dispatcher.process.service_process")
READER: Final = "producers.lists.reader.main"
"""Forked from commands only: the tests of the reader itself start it as ever."""

LAUNCH_AND_DIE: Final = str(ROOT / "tests" / "producers" / "launch" / "launch_and_die.py")
SCRIPTS: Final = (str(ROOT / "tests" / "log" / "other_process.py"), LAUNCH_AND_DIE)
PATHS: Final = frozenset({ROOT, *map(Path, sys.path)})
"""Where the forked process finds modules: what a test adds to the path later is not among it."""

DISPATCHER: Final = str(Path(sys.executable).with_name("dispatcher"))
STARTS_OTHERS: Final = {"demo", "loadtest", "launch", "draft", "dispatcher.process.service_process", LAUNCH_AND_DIE}

REQUEST_BYTES_MAX: Final = 1 << 17
FILES_MAX: Final = 16
_PR_SET_CHILD_SUBREAPER: Final = 36

Popen = subprocess.Popen


def recognised(arguments: Any, environment: Mapping[str, str] | None) -> dict[str, Any] | None:
    """How to run this command in a fork; None if it has to be started as ever."""
    if not isinstance(arguments, list | tuple) or any(not isinstance(word, str) for word in arguments):
        return None
    if not _imports_alike(os.environ if environment is None else environment):
        return None
    words = list(arguments)
    if words[:1] == [DISPATCHER]:
        return {"code": MAIN, "argv": words}
    if words[:1] != [sys.executable]:
        return None
    unbuffered = "-u" in words[1:3]
    words = [word for at, word in enumerate(words) if at == 0 or at > 2 or word not in ("-u", "-P")]
    match words[1:]:
        case ["-c", code, *rest] if code == MAIN:
            return {"code": code, "argv": ["-c", *rest], "unbuffered": unbuffered}
        case ["-m", module, *rest] if module in MODULES or (module == READER and _is_forked):
            return {"module": module, "argv": [module, *rest], "unbuffered": unbuffered}
        case [script, *rest] if script in SCRIPTS:
            return {"script": script, "argv": [script, *rest], "unbuffered": unbuffered}
    return None


def _imports_alike(environment: Mapping[str, str]) -> bool:
    """Nothing in this environment makes Python itself another one."""
    others = {name for name in environment if name.startswith("PYTHON")} - {
        "PYTHONPATH",
        "PYTHONUNBUFFERED",
        "PYTHONDONTWRITEBYTECODE",
    }
    paths = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    return not others and {Path(path) for path in paths} <= PATHS


class Server:
    """The process that is forked, and how to ask it for a fork."""

    def __init__(self, connection: socket.socket, process: subprocess.Popen[bytes] | int) -> None:
        self._connection, self._process = connection, process
        self._lock = threading.Lock()

    def fork(self, request: Mapping[str, Any], files: Sequence[int]) -> int:
        """The pid of a new child of ours that carries out the request with these as 0, 1, 2 and request["files"]."""
        with self._lock:
            _adopt(True)
            try:
                socket.send_fds(self._connection, [json.dumps(request).encode()], files)
                answer = self._connection.recv(64)
            finally:
                _adopt(False)
        if not answer:
            raise RuntimeError("the process that commands are forked from has ended")
        return int(answer)

    def close(self) -> None:
        self._connection.close()
        if isinstance(self._process, int):
            os.waitpid(self._process, 0)
        else:
            self._process.wait()


_server: Server | None = None
_is_forked = False


class WarmPopen(Popen[Any]):
    """`subprocess.Popen`, but a command that is recognised is forked instead of started."""

    def _execute_child(self, *given: Any) -> None:
        global _server
        names = inspect.signature(Popen._execute_child).bind(self, *given).arguments  # type: ignore[attr-defined]
        request = recognised(names["args"], names["env"])
        prepare = names["preexec_fn"]
        as_ever = any(names[name] for name in ("executable", "shell", "startupinfo"))
        if request is None or as_ever or (prepare is not None and "<locals>" in prepare.__qualname__):
            super()._execute_child(*given)  # type: ignore[misc]
            return
        if _server is None:
            _server = _started()
        request |= {
            "cwd": os.fspath(names["cwd"]) if names["cwd"] is not None else os.getcwd(),
            "env": dict(os.environ if names["env"] is None else names["env"]),
            "session": names["start_new_session"],
            "prepare": prepare and [prepare.__module__, prepare.__qualname__],
            "files": list(names["pass_fds"]),
        }
        ends = (names["p2cread"], names["c2pwrite"], names["errwrite"])
        streams = [each if end == -1 else end for each, end in enumerate(ends)]
        self.pid = _server.fork(request, [*streams, *names["pass_fds"]])
        self._child_created = True
        pipes = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        self._close_pipe_fds(*(names[name] for name in pipes))  # type: ignore[attr-defined]


@contextlib.contextmanager
def installed() -> Iterator[None]:
    """While this lasts, `subprocess` forks the commands it recognises."""
    global _server
    if sys.platform != "linux":
        yield
        return
    subprocess.Popen = WarmPopen  # type: ignore[misc]
    try:
        yield
    finally:
        subprocess.Popen = Popen  # type: ignore[misc]
        if _server is not None:
            _server.close()
            _server = None


@contextlib.contextmanager
def suspended() -> Iterator[None]:
    """While this lasts, everything starts as ever."""
    before, subprocess.Popen = subprocess.Popen, Popen  # type: ignore[misc]
    try:
        yield
    finally:
        subprocess.Popen = before  # type: ignore[misc]


def _adopt(orphans: bool) -> None:
    """Whether the children of our children become ours when their parent ends."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, int(orphans), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def _started() -> Server:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = Popen(
            [sys.executable, "-m", "tests.warm_start", str(theirs.fileno())],
            cwd=ROOT,
            # Threads do not survive a fork, and OpenBLAS would start some.
            env=os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    return Server(ours, process)


# --- in the process that is forked -----------------------------------------------------------------------------------


def _serve(connection: socket.socket) -> None:
    """Fork for every request, until whoever asks is gone. Forks are made twice, so that they are adopted."""
    while True:
        request, files, _, _ = socket.recv_fds(connection, REQUEST_BYTES_MAX, FILES_MAX)
        if not request:
            return
        between = os.fork()
        if between == 0:
            between = os.getpid()
            if os.fork() == 0:
                while os.getppid() == between:
                    time.sleep(0.0005)
                connection.send(str(os.getpid()).encode())
                _become(json.loads(request), files)
            os._exit(0)
        for file in files:
            os.close(file)
        os.waitpid(between, 0)


def _become(request: Mapping[str, Any], files: Sequence[int]) -> None:
    """Carry out the request as a process that was started for it, and end."""
    global _is_forked, _server
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if request["session"]:
            os.setsid()
        _have_only(dict(zip([0, 1, 2, *request["files"]], files, strict=True)))
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["env"])
        time.tzset()
        _open_streams(bool(request.get("unbuffered") or request["env"].get("PYTHONUNBUFFERED")))
        if request["prepare"]:
            module, name = request["prepare"]
            getattr(importlib.import_module(module), name)()
        _server, _is_forked = None, True
        if STARTS_OTHERS.intersection(request["argv"]):
            _server = _forked()
        else:
            subprocess.Popen = Popen  # type: ignore[misc]
        sys.argv = request["argv"]
        code = _exit_code(lambda: _run(request))
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    if code == -signal.SIGINT:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(code)


def _have_only(files: Mapping[int, int]) -> None:
    """Let each of these numbers be the file that the other one is now, and close all other files."""
    above = max(*files, *map(int, os.listdir("/proc/self/fd"))) + 1
    for number, file in {to: fcntl.fcntl(now, fcntl.F_DUPFD, above) for to, now in files.items()}.items():
        os.dup2(file, number, inheritable=True)
    for number in map(int, os.listdir("/proc/self/fd")):
        if number not in files:
            with contextlib.suppress(OSError):
                os.close(number)


def _open_streams(unbuffered: bool) -> None:
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), encoding="utf-8")
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = io.TextIOWrapper(
            io.BufferedWriter(io.FileIO(number, "wb", closefd=False)),
            encoding="utf-8",
            errors="backslashreplace" if number == 2 else "strict",
            line_buffering=number == 2 or os.isatty(number),
            write_through=unbuffered,
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _run(request: Mapping[str, Any]) -> None:
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    if "code" in request:
        exec(compile(request["code"], "<string>", "exec"), main.__dict__)
    elif "module" in request:
        sys.modules.pop(request["module"], None)
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(request["script"], run_name="__main__")


def _exit_code(run: Callable[[], None]) -> int:
    try:
        run()
    except SystemExit as end:
        if isinstance(end.code, int):
            return end.code & 0xFF
        if end.code is not None:
            print(end.code, file=sys.stderr)
        return int(end.code is not None)
    except KeyboardInterrupt:
        traceback.print_exc()
        return -signal.SIGINT
    return 0


def _forked() -> Server:
    """A process to fork from for a command that starts others: made before it has threads."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = os.fork()
    if process == 0:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command
        ours.close()
        _serve(theirs)
        os._exit(0)
    theirs.close()
    return Server(ours, process)


def _import_everything() -> None:
    for group in ("dispatcher.commands", "dispatcher.roles", "dispatcher.sites", "dispatcher.vendors"):
        for entry_point in entry_points(group=group):
            entry_point.load()
    for module in (*MODULES, READER, "aiokafka", "polars", "uvloop", "fastexcel", "loadtest.sim.server"):
        __import__(module)


if __name__ == "__main__":
    from tests import warm_start

    subprocess.Popen = warm_start.WarmPopen  # type: ignore[misc]
    _import_everything()
    warm_start._serve(socket.socket(fileno=int(sys.argv[1])))
