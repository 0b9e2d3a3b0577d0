/*
 * Threads. Every thread counts on in one shared counter:
 *   blocked N   N threads, each in read(2) of a pipe of its own; `wake` sends each of them a byte
 *   births      threads are born and end without pause
 *   busy N      N threads that never leave user mode
 * The first line is `counter ADDRESS`. `count` tells how often a thread has counted.
 */
#include "victim.h"
#include <pthread.h>

static volatile long counter;
static int pipes[64][2];

static void *in_read(void *index)
{
	char byte;
	ssize_t count = read(pipes[(long)index][0], &byte, 1);
	__sync_fetch_and_add(&counter, 1);
	say("thread %ld read %zd", (long)index, count);
	return NULL;
}

static void *short_life(void *unused)
{
	__sync_fetch_and_add(&counter, 1);
	return unused;
}

static void *births(void *unused)
{
	for (;;) {
		pthread_t threads[4];
		for (int i = 0; i < 4; i++)
			if (pthread_create(&threads[i], NULL, short_life, unused))
				fail("pthread_create");
		for (int i = 0; i < 4; i++)
			pthread_join(threads[i], NULL);
	}
}

static void *busy(void *unused)
{
	for (;;)
		__sync_fetch_and_add(&counter, 1);
	return unused;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "blocked";
	long number = argc > 2 ? atol(argv[2]) : 3;
	char line[64];

	for (long i = 0; i < number; i++) {
		pthread_t thread;
		void *(*run)(void *) = mode[1] == 'u' ? busy : mode[1] == 'i' ? births : in_read;
		if (pipe(pipes[i]) || pthread_create(&thread, NULL, run, (void *)i))
			fail("pthread_create");
		if (run == births)
			break;
	}
	say("counter %p", (void *)&counter);
	ready();
	while (read_line(line, sizeof line)) {
		if (strcmp(line, "wake") == 0) {
			for (long i = 0; i < number; i++)
				if (write(pipes[i][1], "x", 1) != 1)
					fail("write");
		} else {
			say("count %ld", counter);
		}
	}
	_exit(0);
}
