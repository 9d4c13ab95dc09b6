"""Processes on loopback: started, waited for by asking, stopped for certain."""

import os
import pathlib
import queue
import signal
import socket
import subprocess
import threading
import time


def free_ports(count):
    """Ports that were free a moment ago; only for programs that cannot be told to choose."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def wait_until(holds, what, seconds=30.0):
    """Ask `holds` again and again; return its first true value, fail after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        value = holds()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain: {what}")
        time.sleep(0.01)


def accepts(port):
    """Whether something listens on this port of loopback."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


class Process:
    """One program: its standard output is read by line, its standard error goes to a file."""

    def __init__(self, argv, log, env=None):
        self.argv = [str(a) for a in argv]
        self.log = pathlib.Path(log)
        self._lines = queue.Queue()
        with open(self.log, "ab") as sink:
            self._child = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=sink,
                env={**os.environ, **(env or {})},
                text=True,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._child.stdout:
            self._lines.put(line)
        self._lines.put(None)

    @property
    def pid(self):
        """Its process id."""
        return self._child.pid

    def alive(self):
        """Whether it still runs."""
        return self._child.poll() is None

    def line(self, seconds=60.0):
        """The next line of its standard output."""
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"{self.argv[:2]} said nothing for {seconds} s\n{self.tail()}") from None
        if line is None:
            raise AssertionError(f"{self.argv[:2]} ended: {self._child.wait()}\n{self.tail()}")
        return line

    def tail(self):
        """The last of its standard error."""
        return self.log.read_text(errors="replace")[-2000:]

    def stop(self, seconds=40.0):
        """Ask it to end; returns its exit code. Kills it, and fails, when it does not end in time."""
        if self.alive():
            self._child.send_signal(signal.SIGTERM)
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.argv[:2]} did not end on SIGTERM\n{self.tail()}") from None

    def kill(self):
        """End it at once, as a crash would."""
        self._child.kill()
        self._child.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.alive():
            self.kill()
