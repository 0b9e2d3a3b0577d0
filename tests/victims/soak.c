/*
 * Has what a program may have: threads, an epoll instance that waits for the terminal, a timer in it, a child on the
 * same terminal, a blocked signal. Answers each line; `end`: ends with status 7, and its child with it. With an argument
 * it takes no offence at an epoll_wait(2) that is interrupted.
 */
#include "victim.h"
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>

static void *wait_for_ever(void *unused)
{
	for (;;)
		pause();
	return unused;
}

int main(int argc, char **argv)
{
	struct itimerspec second = {{1, 0}, {1, 0}};
	struct epoll_event event = {EPOLLIN, {.u64 = 0}};
	sigset_t blocked;
	pthread_t thread;
	pid_t parent = getpid();
	(void)argv;

	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (getppid() == parent)
			pause();
		_exit(0);
	}
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR2);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	for (int i = 0; i < 3; i++)
		if (pthread_create(&thread, NULL, wait_for_ever, NULL))
			fail("pthread_create");
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	timerfd_settime(timer, 0, &second, NULL);
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &event))
		fail("epoll_ctl");
	event.data.u64 = 1;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event))
		fail("epoll_ctl");
	ready();
	for (;;) {
		uint64_t ticks;
		char line[256];
		if (epoll_wait(epoll, &event, 1, -1) < 0) {
			if (errno == EINTR && argc > 1)
				continue;
			fail("epoll_wait");
		}
		if (event.data.u64 == 1) {
			if (read(timer, &ticks, sizeof ticks) < 0)
				fail("read");
			continue;
		}
		if (!read_line(line, sizeof line))
			return 0;
		if (strcmp(line, "end") == 0)
			return 7;
		say("line: %s", line);
	}
}
