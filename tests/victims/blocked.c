/*
 * Blocks in the system call that argument 1 names, and says what it returned:
 *   done CALL result=R errno=NAME handled=N elapsed_us=T
 * `handled` counts SIGUSR1, whose handler is installed without SA_RESTART. A second thread, with
 * SIGUSR1 blocked, waits for a line on fd 0 and then does what makes the call return. Argument 2 is a
 * time in milliseconds for calls that take one; without it they have none.
 */
#include "victim.h"
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>

static volatile int handled;
static int ends[2]; /* of a socket pair: [0] is waited for, [1] written to */
static int semaphore = -1;
static int futex_word;
static pthread_t main_thread;
static pid_t child;

static void on_signal(int number)
{
	(void)number;
	handled++;
}

static void *waker(void *call)
{
	char line[64];
	read_line(line, sizeof line);
	if (semaphore >= 0) {
		struct sembuf up = {0, 1, 0};
		semop(semaphore, &up, 1);
	} else if (strcmp(call, "futex") == 0) {
		futex_word = 1;
		syscall(SYS_futex, &futex_word, FUTEX_WAKE, 1, NULL, NULL, 0);
	} else if (strstr(call, "sigtimedwait")) {
		pthread_kill(main_thread, SIGUSR2);
	} else if (strcmp(call, "wait4") == 0) {
		kill(child, SIGKILL);
	} else if (write(ends[1], "x", 1) != 1) {
		fail("write");
	}
	return NULL;
}

static long block(const char *call, long milliseconds)
{
	struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
	struct timespec *limit = milliseconds < 0 ? NULL : &time;
	struct pollfd fd = {ends[0], POLLIN, 0};
	struct epoll_event event = {EPOLLIN, {.u64 = 7}};
	sigset_t mask;
	char byte;

	sigfillset(&mask);
	sigdelset(&mask, SIGUSR1);
	sigdelset(&mask, SIGKILL);
	if (strcmp(call, "read") == 0 || strcmp(call, "read-timeout") == 0)
		return read(ends[0], &byte, 1);
	if (strcmp(call, "recv") == 0 || strcmp(call, "recv-timeout") == 0)
		return recv(ends[0], &byte, 1, 0);
#ifdef SYS_recvfrom /* the C library's own recv is another call on i386 */
	if (strcmp(call, "recvfrom-timeout") == 0)
		return syscall(SYS_recvfrom, ends[0], &byte, 1, 0, NULL, NULL);
#endif
#ifdef SYS_semtimedop_time64 /* and the following one: 32-bit programs only */
	if (strcmp(call, "semtimedop_time64") == 0) {
		struct sembuf down = {0, -1, 0};
		return syscall(SYS_semtimedop_time64, semaphore, &down, 1, NULL);
	}
	if (strcmp(call, "rt_sigtimedwait_time64") == 0) {
		sigemptyset(&mask);
		sigaddset(&mask, SIGUSR2);
		return syscall(SYS_rt_sigtimedwait_time64, &mask, NULL, NULL, 8);
	}
#endif
	if (strcmp(call, "nanosleep") == 0)
		return syscall(SYS_nanosleep, &time, NULL);
	if (strcmp(call, "clock_nanosleep") == 0) {
		struct timespec until;
		clock_gettime(CLOCK_MONOTONIC, &until);
		long nanoseconds = until.tv_nsec + time.tv_nsec;
		until.tv_sec += time.tv_sec + nanoseconds / 1000000000;
		until.tv_nsec = nanoseconds % 1000000000;
		return syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
	}
	if (strcmp(call, "poll") == 0)
		return poll(&fd, 1, milliseconds);
	if (strcmp(call, "ppoll") == 0)
		return ppoll(&fd, 1, limit, &mask);
	if (strcmp(call, "select") == 0) {
		fd_set set;
		FD_ZERO(&set);
		FD_SET(ends[0], &set);
		return select(ends[0] + 1, &set, NULL, NULL, NULL);
	}
	if (strcmp(call, "epoll_wait") == 0 || strcmp(call, "epoll_pwait") == 0) {
		int epoll = epoll_create1(EPOLL_CLOEXEC);
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event))
			fail("epoll_ctl");
		if (strcmp(call, "epoll_wait") == 0)
			return epoll_wait(epoll, &event, 1, milliseconds);
		return epoll_pwait(epoll, &event, 1, milliseconds, &mask);
	}
	if (strcmp(call, "pause") == 0)
		return pause();
	if (strcmp(call, "sigsuspend") == 0)
		return sigsuspend(&mask);
	if (strcmp(call, "semop") == 0) {
		struct sembuf down = {0, -1, 0};
		return semop(semaphore, &down, 1);
	}
	if (strcmp(call, "futex") == 0)
		return syscall(SYS_futex, &futex_word, FUTEX_WAIT, 0, limit, NULL, 0);
	if (strcmp(call, "rt_sigtimedwait") == 0) {
		sigemptyset(&mask);
		sigaddset(&mask, SIGUSR2);
		return syscall(SYS_rt_sigtimedwait, &mask, NULL, limit, 8);
	}
	if (strcmp(call, "wait4") == 0)
		return wait4(child, NULL, 0, NULL) == child ? 0 : -1;
	errno = ENOSYS;
	fail(call);
}

int main(int argc, char **argv)
{
	char *call = argc > 1 ? argv[1] : "read";
	long milliseconds = argc > 2 ? atol(argv[2]) : -1;
	struct sigaction action = {.sa_handler = on_signal};
	pthread_t thread;
	sigset_t set;

	main_thread = pthread_self();
	sigaction(SIGUSR1, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		fail("socketpair");
	if (strstr(call, "-timeout")) {
		struct timeval limit = {3600, 0};
		setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	}
	if (strncmp(call, "sem", 3) == 0) {
		semaphore = semget(IPC_PRIVATE, 1, 0600);
		if (semaphore < 0)
			fail("semget");
		say("semaphore %d", semaphore);
	}
	if (strcmp(call, "wait4") == 0 && (child = fork()) == 0)
		for (;;)
			pause();
	if (pthread_create(&thread, NULL, waker, call))
		fail("pthread_create");
	sigdelset(&set, SIGUSR2);
	/* sigsuspend and ppoll take SIGUSR1 by their own masks; it is blocked outside of them. */
	if (strcmp(call, "sigsuspend") && strcmp(call, "ppoll") && strcmp(call, "epoll_pwait"))
		pthread_sigmask(SIG_UNBLOCK, &set, NULL);

	ready();
	long long start = now_us();
	errno = 0;
	long result = block(call, milliseconds);
	int error = errno;
	long long elapsed = now_us() - start;
	if (semaphore >= 0)
		semctl(semaphore, 0, IPC_RMID);
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	pthread_sigmask(0, NULL, &set);
	say("done %s result=%ld errno=%s handled=%d elapsed_us=%lld usr1_blocked=%d", call, result,
	    result < 0 ? strerrorname_np(error) : "0", handled, elapsed, sigismember(&set, SIGUSR1));
	_exit(0);
}
