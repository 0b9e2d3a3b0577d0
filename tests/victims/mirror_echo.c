/* For each line it reads it says `line N` on descriptor 1, `err N` on 2 and, where they are open, `three N` and so on. */
#include "victim.h"

int main(void)
{
	static const char *const names[] = {"", "line", "err", "three", "four", "five", "six"};
	char line[256];
	say("ready");
	for (int number = 1; read(0, line, sizeof line) > 0; number++)
		for (int fd = 1; fd <= 6; fd++)
			dprintf(fd, "%s %d\n", names[fd], number);
	return 0;
}
