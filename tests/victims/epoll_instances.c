/*
 * Waits for its terminal with three instances of epoll(7): `a` has descriptor 0 level-triggered, `b` a
 * dup(2) of it edge-triggered, and `c`, itself used by a dup(2), has 0 with EPOLLONESHOT. Each has a pipe
 * as well. After each line it says, for each instance, how often it tells of the terminal, and with which
 * data, before and after the line was read. `arm` arms the one-shot interest again, `pipe` writes to the
 * pipe; `numbers` tells the descriptors of the instances.
 */
#include "victim.h"
#include <stdint.h>
#include <sys/epoll.h>

static int pipe_ends[2];

static int instance(int terminal, uint32_t events, uint64_t data)
{
	struct epoll_event event = {events, {.u64 = data}};
	struct epoll_event piped = {EPOLLIN | EPOLLET, {.u64 = 5}};
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, terminal, &event) ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, pipe_ends[0], &piped))
		fail("epoll_ctl");
	return epoll;
}

static void look(const char *when, const int *instances)
{
	char text[512] = "";
	for (int i = 0; i < 3; i++) {
		struct epoll_event got[4];
		int count = epoll_wait(instances[i], got, 4, 0);
		size_t used = strlen(text);
		used += snprintf(text + used, sizeof text - used, " %c", 'a' + i);
		for (int j = 0; j < count; j++)
			used += snprintf(text + used, sizeof text - used, ":%x,%llx", got[j].events,
					 (unsigned long long)got[j].data.u64);
	}
	say("%s%s", when, text);
}

int main(void)
{
	int instances[3], one_shot;
	char line[64];

	if (pipe2(pipe_ends, O_CLOEXEC))
		fail("pipe2");
	instances[0] = instance(0, EPOLLIN, 0x1122334455667788ULL);
	instances[1] = instance(dup(0), EPOLLIN | EPOLLET, 0xffffffffffffffffULL);
	one_shot = instance(0, EPOLLIN | EPOLLONESHOT, 0x8000000000000001ULL);
	instances[2] = dup(one_shot);
	ready();
	for (;;) {
		struct epoll_event event;
		if (epoll_wait(instances[0], &event, 1, -1) < 0) {
			say("interrupted: %s", strerrorname_np(errno));
			continue;
		}
		look("before:", instances);
		if (!read_line(line, sizeof line))
			return 0;
		look("after:", instances);
		if (strcmp(line, "arm") == 0) {
			event = (struct epoll_event){EPOLLIN | EPOLLONESHOT, {.u64 = 0x8000000000000001ULL}};
			if (epoll_ctl(one_shot, EPOLL_CTL_MOD, 0, &event))
				fail("epoll_ctl");
		} else if (strcmp(line, "pipe") == 0) {
			if (write(pipe_ends[1], "x", 1) != 1)
				fail("write");
			look("pipe:", instances);
		}
		say("line: %s", line);
	}
}
