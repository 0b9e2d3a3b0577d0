/*
 * Waits in vfork(2), in uninterruptible sleep, until its child, which has a session of its own, gets
 * SIGTERM. Then it answers one line.
 */
#include "victim.h"

int main(void)
{
	char line[64];
	sigset_t term;
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	ready();
	pid_t child = vfork();
	if (child == 0) {
		int number;
		setsid();
		sigwait(&term, &number);
		_exit(0);
	}
	if (child < 0 || waitpid(child, NULL, 0) != child)
		fail("vfork");
	say("the child has ended");
	while (read_line(line, sizeof line))
		say("line: %s", line);
	return 0;
}
