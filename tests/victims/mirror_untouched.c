/*
 * Writes file 1 to descriptor 1 out of memory that nobody has touched: window by window of argument 2 bytes, mapped
 * just before. `gone`: and taken away right after; `kept`: not. With a fourth argument it says `ready` on descriptor 2
 * before, and waits for a line, and in the end for another one.
 */
#include "victim.h"
#include <sys/mman.h>
#include <sys/stat.h>

static void wait_for_line(void)
{
	char line[16];
	if (read(0, line, sizeof line) <= 0)
		exit(1);
}

int main(int argc, char **argv)
{
	int file = open(argv[1], O_RDONLY | O_CLOEXEC), waits = argc > 4;
	long window = atol(argv[2]);
	struct stat stat;
	if (file < 0 || fstat(file, &stat) < 0)
		fail("open");
	if (waits) {
		dprintf(2, "ready %d\n", (int)getpid());
		wait_for_line();
	}
	for (long at = 0; at < stat.st_size; at += window) {
		size_t length = stat.st_size - at < window ? stat.st_size - at : window;
		char *bytes = mmap(NULL, length, PROT_READ, MAP_PRIVATE, file, at);
		if (bytes == MAP_FAILED)
			fail("mmap");
		for (size_t done = 0; done < length;) {
			ssize_t count = write(1, bytes + done, length - done);
			if (count <= 0)
				return 1;
			done += count;
		}
		if (strcmp(argv[3], "gone") == 0)
			munmap(bytes, length);
	}
	if (waits) {
		dprintf(2, "done\n");
		wait_for_line();
	}
	return 0;
}
