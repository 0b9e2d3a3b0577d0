/*
 * Answers lines on fd 0: `report`, `exit N`, `stop` (SIGSTOP), anything else is said back. Argument 1 makes it odd:
 *   name TEXT      its name is TEXT (prctl(2) PR_SET_NAME)
 *   nondumpable    PR_SET_DUMPABLE 0
 *   seccomp-errno  a filter answers EPERM to setsid(2) and socketpair(2)
 *   seccomp-kill   the same calls end the process
 *   leader-exited  the first thread has exited, a second one answers
 *   ignoring       SIGHUP and SIGUSR1 are ignored, SIGUSR2 is blocked
 */
#include "victim.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>

static void *answer(void *unused)
{
	char line[512];
	(void)unused;
	ready();
	while (read_line(line, sizeof line)) {
		int status;
		if (strcmp(line, "report") == 0)
			report();
		else if (sscanf(line, "exit %d", &status) == 1)
			exit(status);
		else if (strcmp(line, "stop") == 0)
			kill(getpid(), SIGSTOP);
		else
			say("line: %s", line);
	}
	say("end of file");
	exit(0);
}

static void filter_calls(unsigned action)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setsid, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socketpair, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof code / sizeof code[0], code};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		fail("seccomp");
}

int main(int argc, char **argv)
{
	const char *oddity = argc > 1 ? argv[1] : "";
	if (strcmp(oddity, "name") == 0 && argc > 2) {
		prctl(PR_SET_NAME, argv[2]);
	} else if (strcmp(oddity, "nondumpable") == 0) {
		prctl(PR_SET_DUMPABLE, 0);
	} else if (strcmp(oddity, "seccomp-errno") == 0) {
		filter_calls(SECCOMP_RET_ERRNO | EPERM);
	} else if (strcmp(oddity, "seccomp-kill") == 0) {
		filter_calls(SECCOMP_RET_KILL_PROCESS);
	} else if (strcmp(oddity, "ignoring") == 0) {
		sigset_t set;
		signal(SIGHUP, SIG_IGN);
		signal(SIGUSR1, SIG_IGN);
		sigemptyset(&set);
		sigaddset(&set, SIGUSR2);
		sigprocmask(SIG_BLOCK, &set, NULL);
	} else if (strcmp(oddity, "leader-exited") == 0) {
		pthread_t thread;
		if (pthread_create(&thread, NULL, answer, NULL))
			fail("pthread_create");
		pthread_exit(NULL);
	}
	answer(NULL);
}
