/*
 * Catches SIGTSTP as full-screen programs do; says `tidy` before it stops and `again` after. Argument 1:
 *   raise    stops itself by SIGTSTP, with its default action for the moment
 *   stop     stops its whole group by SIGSTOP, and says `again` when it is continued
 *   refuse   does not stop
 *   end      exits with status 3
 *   threads  as raise, and starts one more thread in the handler
 * A second thread waits in epoll_wait(2), and says so if that is interrupted.
 */
#include "victim.h"
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>

static const char *how;

static void *wait_for_nothing(void *unused)
{
	struct epoll_event event;
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	(void)unused;
	for (;;)
		if (epoll_wait(epoll, &event, 1, -1) < 0)
			say("interrupted");
	return NULL;
}

static void start_thread(void)
{
	pthread_t thread;
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&thread, NULL, wait_for_nothing, NULL) != 0)
		fail("pthread_create");
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void on_stop(int number)
{
	say("tidy");
	if (strcmp(how, "raise") == 0 || strcmp(how, "threads") == 0) {
		sigset_t set, before;
		if (strcmp(how, "threads") == 0)
			start_thread();
		signal(number, SIG_DFL);
		sigemptyset(&set);
		sigaddset(&set, number);
		sigprocmask(SIG_UNBLOCK, &set, &before);
		raise(number);
		sigprocmask(SIG_SETMASK, &before, NULL);
		signal(number, on_stop);
		say("again");
	} else if (strcmp(how, "stop") == 0) {
		kill(0, SIGSTOP);
	} else if (strcmp(how, "end") == 0) {
		_exit(3);
	}
}

static void on_continue(int number)
{
	(void)number;
	say("again");
}

int main(int argc, char **argv)
{
	how = argc > 1 ? argv[1] : "raise";
	signal(SIGTSTP, on_stop);
	if (strcmp(how, "stop") == 0)
		signal(SIGCONT, on_continue);
	start_thread();
	ready();
	for (;;)
		pause();
}
