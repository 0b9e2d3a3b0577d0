"""
Programs around a job that are no part of it. argv: a ROLE, a folder, and the words of that role.

Each that is to be left alone writes its PID, as it numbers processes, to FOLDER/NAME.pid, and the name of every signal that
it gets to FOLDER/NAME.signals, but for SIGCHLD, by which it waits for its children. The program that is moved writes
FOLDER/target.pid, and says on its terminal what it gets.
"""
import fcntl
import os
import signal
import sys
import termios

ROLE, FOLDER, *WORDS = sys.argv[1:]
TARGET = [sys.executable, __file__, "target", FOLDER]
O_TTY = os.O_RDWR | os.O_NOCTTY
TIOCNOTTY = 0x5422
PR_SET_CHILD_SUBREAPER = 36
UNCAUGHT = {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}


def write(name, text):
    fd = os.open(f"{FOLDER}/{name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(fd, text.encode())
    os.close(fd)


def reap(*_):
    try:
        while os.waitpid(-1, os.WNOHANG)[0] > 0:
            pass
    except ChildProcessError:
        pass


def witness(name):
    """Note every signal, for good."""
    for number in signal.valid_signals() - UNCAUGHT:
        if number < 32:
            note = lambda got, _: write(f"{name}.signals", f"{signal.Signals(got).name}\n")
            signal.signal(number, note)
    signal.signal(signal.SIGCHLD, reap)
    write(f"{name}.pid", f"{os.getpid()}\n")
    while True:
        signal.pause()


def born(action):
    """A child that does `action`, after which it must have become another program."""
    if os.fork() == 0:
        action()
        os._exit(99)


def on_terminal(fd):
    for number in (0, 1, 2):
        os.dup2(fd, number)


def lead(fd):
    """Lead a session whose controlling terminal is that of `fd`, taken from another session if need be."""
    os.setsid()
    fcntl.ioctl(fd, termios.TIOCSCTTY, 1)


def become_target():
    os.execv(TARGET[0], TARGET)


def target():
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGWINCH):
        say = lambda got, _: os.write(1, f"target {signal.Signals(got).name}\r\n".encode())
        signal.signal(number, say)
    # The init of a PID namespace gets only what it handles.
    signal.signal(signal.SIGHUP, lambda *_: os._exit(0))
    write("target.pid", f"{os.getpid()}\n")
    while True:
        signal.pause()


def supervisor(tty):
    """As systemd: opens the terminal for its child, and keeps it as 37, 38 and 39."""
    fd = os.open(tty, O_TTY)
    for number in (37, 38, 39):
        os.dup2(fd, number)

    def child():
        lead(fd)
        on_terminal(fd)
        os.closerange(3, 40)
        become_target()

    def getty():
        os.setsid()
        on_terminal(fd)
        witness("getty")

    def sibling():
        on_terminal(fd)
        witness("sibling")

    born(getty)
    born(sibling)
    born(child)
    os.close(fd)
    witness("supervisor")


def login():
    """Holds the terminal that its child leads a session on, and waits for that."""
    for number in (signal.SIGHUP, signal.SIGCONT):
        signal.signal(number, signal.SIG_IGN)
    fcntl.ioctl(0, TIOCNOTTY)

    def child():
        for number in (signal.SIGHUP, signal.SIGCONT):
            signal.signal(number, signal.SIG_DFL)
        lead(0)
        become_target()

    born(child)
    witness("login")


def sshd(keeps):
    """Holds the master of its child's terminal, and the slave, too, if it `keeps` that."""
    master, slave = os.openpty()

    def child():
        lead(slave)
        on_terminal(slave)
        os.closerange(3, 40)
        become_target()

    born(child)
    if keeps != "slave":
        os.close(slave)
    witness("sshd")


def shim():
    """Holds the master, and is the subreaper above what another process starts as init of a PID namespace."""
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    master, slave = os.openpty()

    def runtime():
        on_terminal(slave)
        os.closerange(3, 40)
        options = ["unshare", "--pid", "--fork", "--mount-proc"]
        os.execvp("unshare", [*options, "setsid", "-c", *TARGET])

    born(runtime)
    witness("shim")


def init(shape):
    """Process 1 of a PID namespace, on the terminal of its child."""

    def child():
        if shape == "session":
            lead(0)
        elif shape == "job":
            os.setpgid(0, 0)
            signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            os.tcsetpgrp(0, os.getpid())
            signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        become_target()

    born(child)
    witness("init")


def atd():
    """A daemon without terminal, in whose process group its jobs run."""

    def child():
        born(become_target)
        witness("sh")

    born(child)
    witness("atd")


def leave_daemon():
    """Leave a daemon in the process group, which is on no terminal and not below its parent any more."""

    def child():
        parent = os.getpid()
        if os.fork() > 0:
            os._exit(0)
        while os.getppid() == parent:
            os.sched_yield()
        nothing = os.open("/dev/null", os.O_RDWR)
        fcntl.ioctl(os.open("/dev/tty", O_TTY), TIOCNOTTY)
        on_terminal(nothing)
        os.closerange(3, 40)
        witness("daemon")

    born(child)
    os.wait()


def leader():
    """Leads a process group that a daemon stays in."""
    leave_daemon()
    become_target()


def pipe():
    """The first of a pipeline, which leads its group; a daemon stays in that, as in leader()."""
    leave_daemon()
    while True:
        signal.pause()


globals()[ROLE](*WORDS)
