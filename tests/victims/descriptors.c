/*
 * Holds its terminal open in many ways: 3 is a dup(2) of 0 with close-on-exec, 4 a description of its
 * own with O_NONBLOCK, 5 one with O_APPEND and O_WRONLY, 6 /dev/null, 7 another one of the terminal by
 * /dev/tty. `report` tells about them, `shared` which of them are one open file description.
 */
#include "victim.h"
#include <linux/kcmp.h>

static void shared(void)
{
	char text[512] = "";
	for (int a = 0; a < 8; a++)
		for (int b = a + 1; b < 8; b++)
			if (syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, a, b) == 0)
				snprintf(text + strlen(text), sizeof text - strlen(text), " %d=%d", a, b);
	say("shared:%s", text);
}

int main(void)
{
	char line[64], terminal[64];
	if (ttyname_r(0, terminal, sizeof terminal))
		fail("ttyname");
	if (fcntl(0, F_DUPFD_CLOEXEC, 3) != 3 || open(terminal, O_RDWR | O_NONBLOCK) != 4 ||
	    open(terminal, O_WRONLY | O_APPEND) != 5 || open("/dev/null", O_RDWR) != 6 ||
	    open("/dev/tty", O_RDWR) != 7)
		fail("open");
	ready();
	while (read_line(line, sizeof line)) {
		if (strcmp(line, "report") == 0)
			report();
		else if (strcmp(line, "shared") == 0)
			shared();
		else
			say("line: %s", line);
	}
	return 0;
}
