/*
 * What all victims share: they say what they see, one line at a time, each line in one write(2).
 */
#ifndef VICTIM_H
#define VICTIM_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* Safe in signal handlers as far as it is used there: integers and short strings. */
__attribute__((format(printf, 1, 2), unused)) static void say(const char *format, ...)
{
	char line[2048];
	va_list args;
	va_start(args, format);
	int length = vsnprintf(line, sizeof line - 1, format, args);
	va_end(args);
	if (length > (int)sizeof line - 2)
		length = sizeof line - 2;
	line[length] = '\n';
	if (write(1, line, length + 1) < 0)
		_exit(99);
}

__attribute__((noreturn, unused)) static void fail(const char *what)
{
	say("victim failed: %s: %s", what, strerror(errno));
	exit(99);
}

__attribute__((unused)) static void ready(void)
{
	say("ready %d", (int)getpid());
}

/* A line of fd 0 without its end, in a buffer of `size`; 0 at end of file. EINTR is told, not hidden. */
__attribute__((unused)) static int read_line(char *line, size_t size)
{
	ssize_t count = read(0, line, size - 1);
	if (count < 0) {
		say("read failed: %s", strerrorname_np(errno));
		count = 0;
	}
	while (count > 0 && (line[count - 1] == '\n' || line[count - 1] == '\r'))
		count--;
	line[count] = 0;
	return count > 0;
}

/* Session, group, terminal, size and descriptors, as the process itself sees them. */
__attribute__((unused)) static void report(void)
{
	struct winsize size = {0};
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
	char fds[1024] = "";
	if (tty >= 0) {
		ioctl(tty, TIOCGWINSZ, &size);
		close(tty);
	}
	for (int fd = 0; fd < 32; fd++) {
		int flags = fcntl(fd, F_GETFL);
		char name[64] = "-";
		if (flags < 0)
			continue;
		if (isatty(fd))
			ttyname_r(fd, name, sizeof name);
		size_t used = strlen(fds);
		snprintf(fds + used, sizeof fds - used, " %d=%s:%o%s", fd, name, flags,
			 fcntl(fd, F_GETFD) & FD_CLOEXEC ? ":cloexec" : "");
	}
	say("report pid=%d sid=%d pgid=%d fg=%d ctty=%s size=%dx%d fds:%s", (int)getpid(),
	    (int)getsid(0), (int)getpgrp(), (int)tcgetpgrp(0), tty >= 0 ? "yes" : "no", size.ws_row,
	    size.ws_col, fds);
}

__attribute__((unused)) static long long now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

#endif
