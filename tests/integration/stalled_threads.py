"""Stops some threads of a process and lets the others run: a device that takes what it is given and
never completes it. With HOLDFAST_NO_URING all writes to a store are made by threads of their own, so
a store whose threads other than the first stand still is a stalled disk to the process.

By ptrace: the process is a child of ours, so no rights are needed where ptrace is allowed at all.
"""
import ctypes
import os
import pathlib
import threading

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000  # __WALL: threads too

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, thread):
    if libc.ptrace(request, thread, None, None) != 0:
        raise OSError(ctypes.get_errno(), f"ptrace({request})")


class StalledThreads:
    """Those of the process but its first, until resume(). A thread of ours holds them, because
    only who stopped one may let it go on."""

    def __init__(self, pid):
        self.threads = [int(each.name) for each in pathlib.Path(f"/proc/{pid}/task").iterdir()
                        if int(each.name) != pid]
        self.error = None
        self.stopped, self.ending = threading.Event(), threading.Event()
        self.holder = threading.Thread(target=self.hold, daemon=True)
        self.holder.start()
        self.stopped.wait()
        if self.error is not None:
            raise self.error

    def hold(self):
        held = []
        try:
            for thread in self.threads:
                ptrace(PTRACE_SEIZE, thread)
                held.append(thread)
                ptrace(PTRACE_INTERRUPT, thread)
                os.waitpid(thread, WALL)
        except OSError as error:
            self.error = error
        self.stopped.set()
        if self.error is None:
            self.ending.wait()
        for thread in held:
            try:
                ptrace(PTRACE_DETACH, thread)
            except OSError:
                pass  # the process is gone

    def resume(self):
        self.ending.set()
        self.holder.join()
