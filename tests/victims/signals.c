/*
 * Says each signal that it gets, and answers lines:
 *   block    blocks SIGUSR2
 *   unblock  takes it again
 *   report   session, group, terminal, size and descriptors
 * and says each of them back. SIGUSR1, SIGUSR2, SIGWINCH and SIGRTMIN+1
 * have handlers with SA_RESTART, so that the read(2) goes on after them.
 */
#include "victim.h"

static void on_signal(int number, siginfo_t *info, void *unused)
{
	(void)unused;
	say("signal %d value %d", number, info->si_value.sival_int);
}

int main(void)
{
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
	char line[64];
	sigset_t set;

	sigfillset(&action.sa_mask);
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	sigaction(SIGWINCH, &action, NULL);
	sigaction(SIGRTMIN + 1, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	ready();
	while (read_line(line, sizeof line)) {
		if (strcmp(line, "block") == 0)
			sigprocmask(SIG_BLOCK, &set, NULL);
		if (strcmp(line, "unblock") == 0)
			sigprocmask(SIG_UNBLOCK, &set, NULL);
		if (strcmp(line, "report") == 0)
			report();
		say("line: %s", line);
	}
	return 0;
}
