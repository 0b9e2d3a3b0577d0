/*
 * Makes the call that argument 1 names, with a timeout of argument 2 milliseconds, while a child sends signals that it
 * ignores, four in each timeout, or 40 with argument 3, and for 20 timeouts. It begins when it has read a line, and says
 *   done CALL result=R errno=NAME kept=B signals=more|over
 * `kept`: the call took its timeout at least; `more`: it ended before the signals did. With argument 3 the third
 * signal breaks the call, which is made twice: `handled`, SIGUSR1, which has a handler, or `stopped`, SIGSTOP.
 */
#include "victim.h"
#include <linux/aio_abi.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/un.h>

static int ends[2];
static int epoll, listener, semaphore = -1;
static aio_context_t aio;
static long milliseconds;
static struct timespec limit;
static long long wide_limit[2]; /* struct __kernel_timespec */

static void on_signal(int number)
{
	(void)number;
}

static void prepare(const char *call)
{
	struct timeval time = {milliseconds / 1000, milliseconds % 1000 * 1000};
	limit = (struct timespec){milliseconds / 1000, milliseconds % 1000 * 1000000};
	wide_limit[0] = limit.tv_sec;
	wide_limit[1] = limit.tv_nsec;
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		fail("socketpair");
	int option = strcmp(call, "send") == 0 ? SO_SNDTIMEO : SO_RCVTIMEO;
	setsockopt(ends[0], SOL_SOCKET, option, &time, sizeof time);
	if (strcmp(call, "send") == 0)
		while (send(ends[0], call, 1, MSG_DONTWAIT) == 1)
			;
	struct sockaddr_un nobody = {.sun_family = AF_UNIX};
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&nobody, sizeof(sa_family_t)) || listen(listener, 1))
		fail("listen");
	setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
	if (strcmp(call, "semtimedop") == 0 && (semaphore = semget(IPC_PRIVATE, 1, 0600)) < 0)
		fail("semget");
	if (strcmp(call, "io_getevents") == 0 && syscall(SYS_io_setup, 1, &aio))
		fail("io_setup");
}

static long make(const char *call)
{
	struct epoll_event event;
	struct io_event done;
	struct sembuf down = {0, -1, 0};
	char byte;
	sigset_t set;
	sigemptyset(&set);
	if (strcmp(call, "epoll_wait") == 0)
		return epoll_wait(epoll, &event, 1, milliseconds);
	if (strcmp(call, "epoll_pwait") == 0)
		return epoll_pwait(epoll, &event, 1, milliseconds, &set);
	if (strcmp(call, "epoll_pwait2") == 0)
		return syscall(SYS_epoll_pwait2, epoll, &event, 1, wide_limit, NULL, 8);
	sigaddset(&set, SIGUSR2);
	if (strcmp(call, "sigtimedwait") == 0)
		return sigtimedwait(&set, NULL, &limit);
	if (strcmp(call, "semtimedop") == 0)
		return semtimedop(semaphore, &down, 1, &limit);
	if (strcmp(call, "io_getevents") == 0)
		return syscall(SYS_io_getevents, aio, 1, 1, &done, &limit);
	if (strcmp(call, "recv") == 0)
		return recv(ends[0], &byte, 1, 0);
	if (strcmp(call, "read") == 0)
		return read(ends[0], &byte, 1);
	if (strcmp(call, "accept") == 0)
		return accept(listener, NULL, NULL);
	if (strcmp(call, "send") == 0)
		return send(ends[0], &byte, 1, 0);
	errno = ENOSYS;
	fail(call);
}

/* Until process `pid` sleeps: it has nothing else to wait for than its call. */
static void await_sleep(pid_t pid)
{
	struct timespec pause = {0, 1000000};
	for (;;) {
		char path[64], stat[512];
		snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
		int fd = open(path, O_RDONLY);
		ssize_t count = fd < 0 ? -1 : read(fd, stat, sizeof stat - 1);
		close(fd);
		if (count <= 0)
			_exit(0);
		stat[count] = 0;
		if (strncmp(strrchr(stat, ')'), ") S", 3) == 0)
			return;
		nanosleep(&pause, NULL);
	}
}

static void send_signals(pid_t to, const char *way)
{
	int each = way ? 40 : 4;
	struct timespec pause = {milliseconds / each / 1000, milliseconds * 1000000 / each % 1000000000};
	for (int sent = 1; sent <= 20 * each; sent++) {
		int number = SIGWINCH;
		if (way && sent == 3)
			number = strcmp(way, "stopped") ? SIGUSR1 : SIGSTOP;
		else if (way && sent == 4)
			number = SIGCONT;
		nanosleep(&pause, NULL);
		if (number == SIGUSR1 || number == SIGSTOP)
			await_sleep(to);
		if (kill(to, number))
			break;
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	char line[16];
	const char *call = argv[1];
	const char *way = argc > 3 ? argv[3] : NULL;
	struct sigaction action = {.sa_handler = on_signal};
	milliseconds = atol(argv[2]);
	sigaction(SIGUSR1, &action, NULL);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	prepare(call);
	ready();
	read_line(line, sizeof line);
	pid_t parent = getpid(), child = fork();
	if (child == 0)
		send_signals(parent, way);
	for (int times = way ? 2 : 1; times > 0; times--) {
		long long start = now_us();
		errno = 0;
		long result = make(call);
		int error = errno;
		int kept = now_us() - start >= milliseconds * 1000;
		int is_over = waitpid(child, NULL, WNOHANG) != 0;
		say("done %s result=%ld errno=%s kept=%d signals=%s", call, result,
		    result < 0 ? strerrorname_np(error) : "0", kept, is_over ? "over" : "more");
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	if (semaphore >= 0)
		semctl(semaphore, 0, IPC_RMID);
	return 0;
}
