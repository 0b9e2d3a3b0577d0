/*
 * storm FILE MODE SEMAPHORE: threads in many calls, which all return some times a second, and one that computes. It reports on
 * itself in FILE, which it maps: one page for each process, as `struct page` has it. FILE outlives it.
 *   plain      nothing else
 *   family     a child of the same kind, and a child of that, in its process group
 *   threads    further threads come and go without pause
 *   children   further children come and go without pause, in its process group
 *   exec       a child that executes this program anew again and again
 * Answers each line on fd 0; the end of its terminal is no end to it, but it lives for half an hour at most. SIGUSR1, SIGHUP and SIGRTMIN + 1 have a handler,
 * which only one thread runs: in all other threads an interrupted call is one that nobody should have interrupted.
 * SEMAPHORE is one for semop(2), of value 0.
 */
#include "victim.h"
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/un.h>

/* In the order of CALLS in scripts/soak/page.ts. */
enum {
	TTY,
	POLL,
	EPOLL_WAIT,
	SELECT,
	READ,
	RECV,
	ACCEPT,
	SEMTIMEDOP,
	SIGTIMEDWAIT,
	FUTEX,
	CLOCK_NANOSLEEP,
	CALLS
};

struct page {
	uint64_t pid;
	uint64_t rounds, corrupt;
	uint64_t signals[65];
	struct {
		uint64_t returned, interrupted, failed, error;
	} calls[CALLS];
	/* Of the one that executes programs, once it has ended: 1 and its status above that; else 0. */
	uint64_t ended;
};

#define PAGE 4096
#define PROCESSES 3

static struct page *page;
static const char *mode;
static int ends[2], pipe_ends[2], silent[2], semaphore, listener, epoll;
static const struct timespec SHORT = {0, 40 * 1000 * 1000};
static const int SHORT_MS = 40;

static void on_signal(int number)
{
	__sync_fetch_and_add(&page->signals[number], 1);
}

/* `wanted`: an error that only tells that the time is over. */
static void count(int call, long result, int wanted)
{
	int error = errno;
	if (result < 0 && error == EINTR) {
		page->calls[call].interrupted++;
	} else if (result < 0 && error != wanted) {
		page->calls[call].failed++;
		page->calls[call].error = error;
	}
	page->calls[call].returned++;
}

static long make(int call)
{
	struct pollfd fd = {silent[0], POLLIN, 0};
	struct epoll_event event;
	struct sembuf down = {0, -1, 0};
	struct timeval time = {0, SHORT.tv_nsec / 1000};
	struct timespec left;
	static int word;
	sigset_t set;
	fd_set fds;
	char byte;

	switch (call) {
	case POLL:
		return poll(&fd, 1, SHORT_MS);
	case EPOLL_WAIT:
		return epoll_wait(epoll, &event, 1, SHORT_MS);
	case SELECT:
		FD_ZERO(&fds);
		FD_SET(silent[0], &fds);
		return select(silent[0] + 1, &fds, NULL, NULL, &time);
	case READ:
		return read(pipe_ends[0], &byte, 1);
	case RECV:
		return recv(ends[0], &byte, 1, 0);
	case ACCEPT:
		return accept(listener, NULL, NULL);
	case SEMTIMEDOP:
		return semtimedop(semaphore, &down, 1, &SHORT);
	case SIGTIMEDWAIT:
		sigemptyset(&set);
		sigaddset(&set, SIGUSR2);
		return sigtimedwait(&set, NULL, &SHORT);
	case FUTEX:
		return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &SHORT, NULL, 0);
	case CLOCK_NANOSLEEP:
		errno = clock_nanosleep(CLOCK_MONOTONIC, 0, &SHORT, &left);
		/* Wakes the thread in read(2). */
		if (write(pipe_ends[1], "x", 1) != 1)
			fail("write");
		return errno ? -1 : 0;
	}
	return -1;
}

static const int WANTED[CALLS] = {
    [RECV] = EAGAIN, [ACCEPT] = EAGAIN, [SEMTIMEDOP] = EAGAIN, [SIGTIMEDWAIT] = EAGAIN, [FUTEX] = ETIMEDOUT,
};

static void *call_on(void *number)
{
	for (int call = (long)number;;) {
		errno = 0;
		long result = make(call);
		count(call, result, WANTED[call]);
	}
	return NULL;
}

/* Whole numbers, broken ones and vectors, most of them in registers; always the same result. */
static uint64_t compute(void)
{
	uint64_t a = 1, b = 2, c = 3, d = 4;
	double x = 1, y = 2, z = 3;
	float vector[8] = {1, 2, 3, 4, 5, 6, 7, 8};
	for (int i = 0; i < 200000; i++) {
		a = a * 6364136223846793005u + b;
		b ^= a >> 31;
		c += b * 3;
		d = (d << 7 | d >> 57) ^ c;
		x = x * 0.999 + y * 0.001;
		y = y * 0.998 + z * 0.002;
		z = z * 0.997 + 0.003;
		for (int j = 0; j < 8; j++)
			vector[j] = vector[j] * 0.5f + 1.0f;
	}
	for (int j = 0; j < 8; j++)
		x += vector[j];
	double sum = x + y + z;
	uint64_t bits;
	memcpy(&bits, &sum, sizeof bits);
	return a ^ b ^ c ^ d ^ bits;
}

/* A tenth of a processor: others want to run, too. Its own sleep is not looked at. */
static void *compute_on(void *unused)
{
	const uint64_t right = compute();
	for (;;) {
		if (compute() != right)
			page->corrupt++;
		page->rounds++;
		nanosleep(&(struct timespec){0, 5 * 1000 * 1000}, NULL);
	}
	return unused;
}

static void *short_life(void *unused)
{
	return unused;
}

static void *come_and_go(void *unused)
{
	for (;;) {
		pthread_t thread;
		if (strcmp(mode, "threads") == 0) {
			if (pthread_create(&thread, NULL, short_life, NULL))
				fail("pthread_create");
			pthread_join(thread, NULL);
			continue;
		}
		pid_t child = fork();
		if (child == 0)
			_exit(0);
		if (child < 0)
			fail("fork");
		while (waitpid(child, NULL, 0) < 0)
			if (errno != EINTR)
				fail("waitpid");
	}
	return unused;
}

static void *watch(void *pid)
{
	int status;
	while (waitpid((long)pid, &status, 0) < 0)
		if (errno != EINTR)
			fail("waitpid");
	page->ended = 1 | (uint64_t)status << 8;
	return NULL;
}

static void *take_signals(void *unused)
{
	sigset_t none;
	sigemptyset(&none);
	sigaddset(&none, SIGUSR2);
	pthread_sigmask(SIG_SETMASK, &none, NULL);
	for (;;)
		pause();
	return unused;
}

static void start(void *(*run)(void *), long number)
{
	pthread_t thread;
	if (pthread_create(&thread, NULL, run, (void *)number))
		fail("pthread_create");
}

static void prepare(void)
{
	struct timeval time = {0, SHORT.tv_nsec / 1000};
	struct sockaddr_un nobody = {.sun_family = AF_UNIX};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) || pipe2(pipe_ends, O_CLOEXEC) ||
	    pipe2(silent, O_CLOEXEC))
		fail("pipe2");
	setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
	if (bind(listener, (struct sockaddr *)&nobody, sizeof(sa_family_t)) || listen(listener, 1))
		fail("listen");
	struct epoll_event event = {EPOLLIN | EPOLLET, {.u64 = 7}};
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, silent[0], &event))
		fail("epoll_ctl");
	/* Also the terminal, for its end and for nothing else: an interest that a move carries over. */
	event.events = EPOLLET;
	event.data.u64 = 8;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, 1, &event))
		fail("epoll_ctl");
}

/* Answers until it is killed: a dead terminal may be followed by another one. */
__attribute__((noreturn)) static void answer(void)
{
	for (;;) {
		char line[256];
		errno = 0;
		ssize_t length = read(0, line, sizeof line - 1);
		count(TTY, length, EIO);
		if (length <= 0) {
			nanosleep(&SHORT, NULL);
			continue;
		}
		line[length] = 0;
		line[strcspn(line, "\r\n")] = 0;
		dprintf(1, "%s: %s\n", mode, line);
	}
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	sigset_t taken;
	int number = 0;

	if (argc < 4)
		return 1;
	mode = argv[2];
	if (strcmp(mode, "again") == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl("/proc/self/exe", "storm", argv[1], "again", argv[3], NULL);
		fail("execl");
	}
	int file = open(argv[1], O_RDWR | O_CLOEXEC);
	if (file < 0)
		fail("open");
	semaphore = atoi(argv[3]);
	char *pages = mmap(NULL, PROCESSES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (pages == MAP_FAILED)
		fail("mmap");
	close(file);
	sigfillset(&action.sa_mask);
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	sigaction(SIGRTMIN + 1, &action, NULL);
	if (strcmp(mode, "family") == 0)
		while (number < 2 && fork() == 0)
			prctl(PR_SET_PDEATHSIG, SIGKILL), number++;
	pid_t executing = strcmp(mode, "exec") == 0 ? fork() : -1;
	if (executing == 0)
		execl("/proc/self/exe", "storm", argv[1], "again", argv[3], NULL);
	page = (struct page *)(pages + number * PAGE);
	sigemptyset(&taken);
	sigaddset(&taken, SIGUSR1);
	sigaddset(&taken, SIGUSR2);
	sigaddset(&taken, SIGHUP);
	sigaddset(&taken, SIGRTMIN + 1);
	sigprocmask(SIG_BLOCK, &taken, NULL);
	prepare();
	for (long call = TTY + 1; call < CALLS; call++)
		start(call_on, call);
	start(compute_on, 0);
	start(take_signals, 0);
	if (executing > 0)
		start(watch, executing);
	if (strcmp(mode, "threads") == 0 || strcmp(mode, "children") == 0)
		start(come_and_go, 0);
	/* Should nobody be left that ends it. */
	alarm(1800);
	page->pid = getpid();
	/* The first process reads; others would take lines from it. */
	if (number > 0)
		for (;;)
			pause();
	ready();
	answer();
}
