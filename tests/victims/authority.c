/*
 * Answers on fd 0 what it may do to others, as the kernel sees it:
 *   kill N PID     0, or what kill(2) fails with, signal N
 *   trace PID      0, or what ptrace(PTRACE_SEIZE) fails with
 * Says first which session it leads. Argument `nondumpable`: PR_SET_DUMPABLE 0.
 */
#include "victim.h"
#include <sys/prctl.h>
#include <sys/ptrace.h>

/* By a child, whose end lets the process go again. */
static int trace(int pid)
{
	int status;
	pid_t child = fork();
	if (child == 0)
		_exit(ptrace(PTRACE_SEIZE, pid, 0, 0) ? errno : 0);
	if (child < 0 || waitpid(child, &status, 0) < 0)
		fail("fork");
	return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	char line[64];
	if (argc > 1 && strcmp(argv[1], "nondumpable") == 0)
		prctl(PR_SET_DUMPABLE, 0);
	ready();
	while (read_line(line, sizeof line)) {
		int signal, pid;
		if (sscanf(line, "kill %d %d", &signal, &pid) == 2)
			say("%s: %d", line, kill(pid, signal) ? errno : 0);
		else if (sscanf(line, "trace %d", &pid) == 1)
			say("%s: %d", line, trace(pid));
	}
	return 0;
}
