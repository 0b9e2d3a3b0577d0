/*
 * Two processes with one descriptor table, clone(2) CLONE_FILES: the first answers lines on fd 0, and both end at `exit N`.
 */
#include "victim.h"
#include <linux/sched.h>
#include <sys/prctl.h>

int main(void)
{
	char line[512];
	long child = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (child < 0)
		fail("clone");
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	ready();
	while (read_line(line, sizeof line)) {
		int status;
		if (sscanf(line, "exit %d", &status) == 1) {
			kill(child, SIGKILL);
			exit(status);
		}
		say("line: %s", line);
	}
	return 0;
}
