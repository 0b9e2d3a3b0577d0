/*
 * Answers lines on fd 0 as command.c does, while others of its own come and go without pause:
 *   threads    four threads at a time, which end at once
 *   children   four children at a time, in its process group, which end at once
 *   both       both
 *   headless   threads, and the first thread has ended
 *   exec       one child that executes this program anew again and again
 *   storm      all of it: threads, children that live for a moment and are zombies for another, some of them with
 *              threads, and four children that execute, two of them out of a thread of theirs
 */
#include "victim.h"
#include <pthread.h>
#include <sys/prctl.h>

#define AT_ONCE 4
#define LONGEST_US 2000

static const char *mode;

static void *short_life(void *unused)
{
	return unused;
}

static void threads(void)
{
	pthread_t threads[AT_ONCE];
	for (int i = 0; i < AT_ONCE; i++)
		if (pthread_create(&threads[i], NULL, short_life, NULL))
			fail("pthread_create");
	for (int i = 0; i < AT_ONCE; i++)
		pthread_join(threads[i], NULL);
}

static void live_a_little(int number)
{
	if (number % 2 == 0)
		threads();
	usleep(getpid() * 97 % LONGEST_US);
}

static void children(void)
{
	for (int i = 0; i < AT_ONCE; i++) {
		pid_t child = fork();
		if (child == 0) {
			if (strcmp(mode, "storm") == 0)
				live_a_little(i);
			_exit(0);
		}
		if (child < 0)
			fail("fork");
	}
	if (strcmp(mode, "storm") == 0)
		usleep(LONGEST_US);
	for (int i = 0; i < AT_ONCE; i++)
		while (wait(NULL) < 0)
			if (errno != EINTR)
				fail("wait");
}

static void *come_and_go(void *unused)
{
	sigset_t all;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	for (;;) {
		if (strcmp(mode, "children") != 0)
			threads();
		if (strcmp(mode, "threads") != 0 && strcmp(mode, "headless") != 0)
			children();
	}
	return unused;
}

static void *execute(void *name)
{
	execl("/proc/self/exe", name, name, NULL);
	fail("execl");
}

/* A thread that executes takes the number of the first thread, which the kernel ends with all others. */
static void run_again(char *name)
{
	pthread_t thread;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (strcmp(name, "again by a thread") != 0)
		execute(name);
	if (pthread_create(&thread, NULL, execute, name))
		fail("pthread_create");
	for (;;)
		pause();
}

static void *answer(void *unused)
{
	char line[512];
	(void)unused;
	ready();
	while (read_line(line, sizeof line)) {
		int status;
		if (sscanf(line, "exit %d", &status) == 1)
			exit(status);
		say("line: %s", line);
	}
	exit(0);
}

int main(int argc, char **argv)
{
	pthread_t thread;
	mode = argc > 1 ? argv[1] : "both";
	if (strncmp(mode, "again", strlen("again")) == 0)
		run_again(argv[1]);
	int executing = strcmp(mode, "storm") == 0 ? AT_ONCE : strcmp(mode, "exec") == 0;
	for (int i = 0; i < executing; i++)
		if (fork() == 0)
			run_again(i % 2 == 0 ? "again" : "again by a thread");
	if (strcmp(mode, "exec") != 0 && pthread_create(&thread, NULL, come_and_go, NULL))
		fail("pthread_create");
	if (strcmp(mode, "headless") == 0) {
		if (pthread_create(&thread, NULL, answer, NULL))
			fail("pthread_create");
		pthread_exit(NULL);
	}
	answer(NULL);
}
