/*
 * Writes to the file argv[1] what becomes of its terminal: `SIGHUP`, and `read N ERRNO` for what read(2)
 * answers after that; then it ends with status 5. A `size RxC` line on fd 1 answers SIGWINCH, and any line
 * on fd 0 is said back.
 */
#include "victim.h"
#include <poll.h>

static int log_fd;
static volatile sig_atomic_t hung_up, resized;

static void on_hangup(int number)
{
	(void)number;
	hung_up = 1;
	if (write(log_fd, "SIGHUP\n", 7) < 0)
		_exit(98);
}

static void on_resize(int number)
{
	(void)number;
	resized = 1;
}

int main(int argc, char **argv)
{
	char line[256];
	struct sigaction hangup = {.sa_handler = on_hangup};
	struct sigaction resize = {.sa_handler = on_resize};
	log_fd = open(argc > 1 ? argv[1] : "", O_WRONLY | O_APPEND | O_CLOEXEC);
	if (log_fd < 0)
		fail("open");
	/* Only while it waits: one that came between a look at `resized` and read(2) would not be told. */
	sigset_t winch, none;
	sigemptyset(&none);
	sigemptyset(&winch);
	sigaddset(&winch, SIGWINCH);
	sigprocmask(SIG_BLOCK, &winch, NULL);
	sigaction(SIGHUP, &hangup, NULL);
	sigaction(SIGWINCH, &resize, NULL);
	ready();
	for (;;) {
		struct pollfd input = {.fd = 0, .events = POLLIN};
		int found = ppoll(&input, 1, NULL, &none);
		if (resized) {
			struct winsize size;
			resized = 0;
			if (ioctl(0, TIOCGWINSZ, &size) == 0)
				say("size %dx%d.", size.ws_row, size.ws_col);
		}
		if (found <= 0)
			continue;
		ssize_t count = read(0, line, sizeof line - 1);
		int error = count < 0 ? errno : 0;
		if (count > 0) {
			line[count] = 0;
			line[strcspn(line, "\r\n")] = 0;
			say("line: %s", line);
		} else if (error != EINTR) {
			/* The end of input can be seen before the signal is sent: pty_close(). */
			if (!hung_up)
				poll(NULL, 0, 500);
			dprintf(log_fd, "read %zd %s\n", count, error ? strerrorname_np(error) : "-");
			_exit(5);
		}
	}
}
