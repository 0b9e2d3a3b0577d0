/*
 * Says which signals it gets, and waits in a call that a signal breaks: argument 1 is `pause`, `epoll` or `sleep`.
 * `caught N` for SIGUSR1, SIGTERM, SIGCONT and SIGWINCH; SIGUSR2 is ignored. `broken ERROR` when its call returned.
 */
#include "victim.h"
#include <sys/epoll.h>

static volatile sig_atomic_t over;

static void caught(int number)
{
	say("caught %d", number);
	if (number == SIGTERM)
		over = 1;
}

int main(int argc, char **argv)
{
	const char *way = argc > 1 ? argv[1] : "pause";
	struct sigaction action = {.sa_handler = caught};
	const int signals[] = {SIGUSR1, SIGTERM, SIGCONT, SIGWINCH};
	for (int index = 0; index < 4; index++)
		sigaction(signals[index], &action, NULL);
	signal(SIGUSR2, SIG_IGN);
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	ready();
	while (!over) {
		struct epoll_event event;
		struct timespec left = {1000, 0};
		if (strcmp(way, "epoll") == 0)
			epoll_wait(epoll, &event, 1, -1);
		else if (strcmp(way, "sleep") == 0)
			nanosleep(&left, NULL);
		else
			pause();
		say("broken %s", strerrorname_np(errno));
	}
	return 7;
}
