/*
 * Shows a terminal, as emulators do: argument 1 is how it waits for the master, the others are the program that it
 * runs there. What that writes goes to its own output, and what it is given on descriptor 0 to the program, but for
 * lines that begin with `!`: `!del` takes the master out of epoll, `!close` closes it, `!write` says how much of itself
 * that takes, `!quit` ends. When the master has
 * ended it says `end ERROR events EVENTS data DATA in PID`, once, and does not close it. It does not wait for its
 * program.
 *
 * poll, select: those calls. epoll: level-triggered, and edge-triggered in a second instance with another number.
 * thread: a second thread is blocked in read(2). fork: a second process polls the same master. vfork: as thread, and the
 * first one is in uninterruptible sleep, since its vfork(2) does not end.
 */
#include "victim.h"
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/select.h>

#define DATA 0x1122334455667788ULL

static int master, second_number, epoll = -1, second = -1, ended;

static void ended_by(ssize_t count, uint32_t events, unsigned long long data)
{
	if (ended++)
		return;
	say("end %s events 0x%x data 0x%llx in %d", count == 0 ? "0" : strerrorname_np(errno), events,
	    data, (int)getpid());
}

static void show(uint32_t events, unsigned long long data)
{
	char bytes[4096];
	ssize_t count = read(master, bytes, sizeof bytes);
	if (count < 0 && errno == EAGAIN)
		return; /* the other process was faster */
	if (count <= 0)
		ended_by(count, events, data);
	else if (write(1, bytes, count) < 0)
		_exit(99);
}

static void *show_all(void *unused)
{
	(void)unused;
	while (!ended)
		show(0, 0);
	return NULL;
}

static void command(void)
{
	char line[256];
	ssize_t count = read(0, line, sizeof line - 1);
	if (count <= 0)
		exit(0);
	line[count] = 0;
	if (strncmp(line, "!quit", 5) == 0)
		exit(0);
	else if (strncmp(line, "!close", 6) == 0)
		say("closed %d", close(master));
	else if (strncmp(line, "!del", 4) == 0)
		say("del %d %d", epoll_ctl(epoll, EPOLL_CTL_DEL, master, NULL),
		    epoll_ctl(second, EPOLL_CTL_DEL, second_number, NULL));
	else if (strncmp(line, "!write", 6) == 0)
		say("written %zd", write(master, line, count));
	else if (write(master, line, count) < 0)
		say("write failed: %s", strerrorname_np(errno));
}

static void wait_by_poll(int with_commands)
{
	for (;;) {
		struct pollfd fds[] = {{with_commands ? 0 : -1, POLLIN, 0}, {ended ? -1 : master, POLLIN, 0}};
		if (poll(fds, 2, -1) < 0)
			fail("poll");
		if (fds[1].revents)
			show(fds[1].revents, 0);
		if (fds[0].revents)
			command();
	}
}

static void wait_by_select(void)
{
	for (;;) {
		fd_set set;
		FD_ZERO(&set);
		FD_SET(0, &set);
		if (!ended)
			FD_SET(master, &set);
		if (select(master + 1, &set, NULL, NULL, NULL) < 0)
			fail("select");
		if (!ended && FD_ISSET(master, &set))
			show(0, 0);
		if (FD_ISSET(0, &set))
			command();
	}
}

static void wait_by_epoll(void)
{
	struct epoll_event events[4];
	for (;;) {
		int count = epoll_wait(epoll, events, 4, -1);
		if (count < 0)
			fail("epoll_wait");
		for (int i = 0; i < count; i++) {
			if (events[i].data.u64 == 0) {
				command();
			} else if (events[i].data.u64 == DATA) {
				show(events[i].events, DATA);
				if (ended == 1) {
					int more = epoll_wait(second, events + i, 1, 0);
					say("second %d events 0x%x data 0x%llx", more, events[i].events,
					    (unsigned long long)events[i].data.u64);
					events[i] = (struct epoll_event){EPOLLIN | EPOLLONESHOT, {.u64 = DATA}};
					epoll_ctl(epoll, EPOLL_CTL_MOD, master, &events[i]);
				}
			}
		}
	}
}

int main(int argc, char **argv)
{
	const char *way = argc > 1 ? argv[1] : "poll";
	pid_t child = forkpty(&master, NULL, NULL, NULL);
	if (child < 0)
		fail("forkpty");
	if (child == 0) {
		execvp(argv[2], argv + 2);
		_exit(99);
	}
	fcntl(master, F_SETFD, FD_CLOEXEC);
	signal(SIGCHLD, SIG_IGN);
	say("emulator %d runs %d", (int)getpid(), (int)child);
	ready();
	if (strcmp(way, "select") == 0)
		wait_by_select();
	if (strcmp(way, "epoll") == 0) {
		struct epoll_event commands = {EPOLLIN, {.u64 = 0}};
		struct epoll_event level = {EPOLLIN, {.u64 = DATA}};
		struct epoll_event edge = {EPOLLIN | EPOLLET, {.u64 = DATA + 1}};
		epoll = epoll_create1(EPOLL_CLOEXEC);
		second = epoll_create1(EPOLL_CLOEXEC);
		second_number = dup(master);
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &commands) ||
		    epoll_ctl(epoll, EPOLL_CTL_ADD, master, &level) ||
		    epoll_ctl(second, EPOLL_CTL_ADD, second_number, &edge))
			fail("epoll_ctl");
		wait_by_epoll();
	}
	if (strcmp(way, "thread") == 0 || strcmp(way, "vfork") == 0) {
		pthread_t thread;
		pthread_create(&thread, NULL, show_all, NULL);
		if (strcmp(way, "vfork") == 0 && vfork() == 0)
			for (;;)
				pause();
		for (;;)
			command();
	}
	if (strcmp(way, "fork") == 0) {
		fcntl(master, F_SETFL, fcntl(master, F_GETFL) | O_NONBLOCK);
		if (fork() == 0)
			wait_by_poll(0);
	}
	wait_by_poll(1);
}
