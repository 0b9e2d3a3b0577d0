/*
 * A parent that waits for its vfork(2) child in state D, which nothing but the child's end or SIGKILL
 * ends. The child ends at a line on fd 0; then the parent says so and answers lines.
 */
#include "victim.h"

int main(void)
{
	char line[64];
	say("ready %d", (int)getpid());
	pid_t child = vfork();
	if (child == 0) {
		char byte;
		while (read(0, &byte, 1) == 1 && byte != '\n')
			;
		_exit(3);
	}
	say("vfork returned %s", child > 0 ? "a child" : "an error");
	waitpid(child, NULL, 0);
	while (read_line(line, sizeof line))
		say("line: %s", line);
	return 0;
}
