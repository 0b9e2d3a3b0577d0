/*
 * Waits for its terminal with epoll(7), registered in the way that argument 1 names: level, edge or
 * oneshot (registered anew after each event). Says `event EVENTS data DATA line: TEXT` for each. A signal
 * without a handler must never show: `interrupted` tells that epoll_wait returned EINTR.
 */
#include "victim.h"
#include <stdint.h>
#include <sys/epoll.h>

int main(int argc, char **argv)
{
	const char *way = argc > 1 ? argv[1] : "level";
	uint32_t flags = EPOLLIN;
	if (strcmp(way, "edge") == 0)
		flags |= EPOLLET;
	if (strcmp(way, "oneshot") == 0)
		flags |= EPOLLONESHOT;
	struct epoll_event event = {flags, {.u64 = 0x1122334455667788ULL}};
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	fcntl(0, F_SETFL, fcntl(0, F_GETFL) | O_NONBLOCK);
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &event))
		fail("epoll_ctl");
	ready();
	for (;;) {
		char line[256];
		struct epoll_event got = {0, {.u64 = 0}};
		int count = epoll_wait(epoll, &got, 1, -1);
		if (count < 0) {
			say("interrupted: %s", strerrorname_np(errno));
			continue;
		}
		ssize_t length = read(0, line, sizeof line - 1);
		if (length == 0)
			return 0;
		line[length > 0 ? length - 1 : 0] = 0;
		say("event 0x%x data 0x%llx line: %s", got.events, (unsigned long long)got.data.u64, line);
		if (flags & EPOLLONESHOT && epoll_ctl(epoll, EPOLL_CTL_MOD, 0, &event))
			fail("epoll_ctl");
	}
}
