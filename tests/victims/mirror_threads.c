/*
 * Threads that write a line each. Argument 1: `many N`, one after the other and four at once; `leader`, the first
 * thread exits and another writes on; `exec`, a thread that is not the first runs echo(1); `vfork`, a child of vfork(2)
 * runs echo(1), and of fork(2), clone3(2) and of clone(2) with SIGUSR1 writes. Waits for a line first.
 */
#include "victim.h"
#include <linux/sched.h>
#include <pthread.h>
#include <stdint.h>

static void *line(void *argument)
{
	say("thread %d", (int)(intptr_t)argument);
	return NULL;
}

static void *after_leader(void *argument)
{
	pthread_join(*(pthread_t *)argument, NULL);
	say("the first thread has exited");
	usleep(20000);
	say("and this one writes on");
	exit(0);
}

static void *executing(void *argument)
{
	say("before");
	execlp("echo", "echo", "executed", NULL);
	return argument;
}

int main(int argc, char **argv)
{
	(void)argc;
	char text[80];
	pthread_t thread[4];
	ready();
	if (!read_line(text, sizeof text))
		return 1;
	if (strcmp(argv[1], "many") == 0) {
		int count = atoi(argv[2]);
		for (int index = 0; index < count; index += 4) {
			for (int one = 0; one < 4; one++)
				if (pthread_create(&thread[one], NULL, line, (void *)(intptr_t)(index + one)))
					fail("pthread_create");
			for (int one = 0; one < 4; one++)
				pthread_join(thread[one], NULL);
		}
		return 0;
	}
	if (strcmp(argv[1], "leader") == 0) {
		static pthread_t self;
		self = pthread_self();
		pthread_create(thread, NULL, after_leader, &self);
		pthread_exit(NULL);
	}
	if (strcmp(argv[1], "exec") == 0) {
		pthread_create(thread, NULL, executing, NULL);
		for (;;)
			pause();
	}
	pid_t child = vfork();
	if (child == 0) {
		execlp("echo", "echo", "by vfork", NULL);
		_exit(1);
	}
	waitpid(child, NULL, 0);
	child = fork();
	if (child == 0) {
		say("by fork");
		_exit(0);
	}
	waitpid(child, NULL, 0);
	struct clone_args args = {.exit_signal = SIGCHLD};
	child = syscall(SYS_clone3, &args, sizeof args);
	if (child == 0) {
		say("by clone3");
		_exit(0);
	}
	waitpid(child, NULL, 0);
	signal(SIGUSR1, SIG_IGN);
	child = syscall(SYS_clone, SIGUSR1, 0, 0, 0, 0);
	if (child == 0) {
		say("by clone with another signal");
		_exit(0);
	}
	waitpid(child, NULL, __WALL);
	say("end");
	return 0;
}
