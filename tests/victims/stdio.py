"""
Waits for SIGUSR1, then answers lines on fd 0, where and as what it is then: `report`, `exit N`, anything else is said
back. Says nothing before. The arguments are descriptors to be closed at first.
"""
import fcntl
import os
import signal
import sys

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
with open("/proc/self/comm", "w") as name:
    name.write("stdio")  # tells that it waits, or is about to
for word in sys.argv[1:]:
    os.close(int(word))
signal.sigwait({signal.SIGUSR1})


def say(text):
    os.write(1, (text + "\n").encode())


def report():
    control = os.open("/dev/tty", os.O_RDWR)
    names = [os.ttyname(fd) for fd in (0, 1, 2)]
    modes = [fcntl.fcntl(fd, fcntl.F_GETFL) & (os.O_ACCMODE | os.O_NONBLOCK | os.O_APPEND) for fd in (0, 1, 2)]
    leads = os.getsid(0) == os.getpid()
    foreground = os.tcgetpgrp(control) == os.getpgrp()
    say(f"terminals {' '.join(names)}, modes {modes}, leads {leads}, foreground {foreground}.")
    os.close(control)


say("ready")
while line := os.read(0, 4096).decode().strip():
    if line == "report":
        report()
    elif line.startswith("exit "):
        os._exit(int(line[5:]))
    else:
        say("line: " + line)
say("end of file")
