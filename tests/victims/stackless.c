/*
 * Runs on a stack that it has mapped itself, and has unmapped the one that it was given: reads lines from fd 0
 * and says `line: TEXT`, until the end of file.
 */
#include "victim.h"
#include <sys/mman.h>
#include <ucontext.h>

#define SIZE (1 << 18)

static ucontext_t before, after;

static void unmap_stack(void)
{
	char line[512];
	unsigned long start = 0, end = 0;
	FILE *maps = fopen("/proc/self/maps", "r");

	if (maps == NULL)
		fail("/proc/self/maps");
	while (fgets(line, sizeof line, maps))
		if (strstr(line, "[stack]"))
			sscanf(line, "%lx-%lx", &start, &end);
	fclose(maps);
	if (start == 0 || munmap((void *)start, end - start) < 0)
		fail("munmap");
}

static void run(void)
{
	char line[256];

	unmap_stack();
	ready();
	while (read_line(line, sizeof line))
		say("line: %s", line);
	_exit(0);
}

int main(void)
{
	getcontext(&after);
	after.uc_stack.ss_sp =
		mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	after.uc_stack.ss_size = SIZE;
	makecontext(&after, run, 0);
	swapcontext(&before, &after);
}
