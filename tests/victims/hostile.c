/*
 * Answers lines on fd 0, and makes itself hard to look at:
 *   arguments MEGABYTES  says that so much of nothing are its arguments and its environment: PR_SET_MM_MAP
 *   code MEGABYTES       has so much of nothing mapped as code, and no vdso
 *   maps COUNT           has so many mappings, of a file whose name is as long as it can be
 */
#include "victim.h"
#include <limits.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

static char *nothing(size_t size, int protection)
{
	char *place = mmap(NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (place == MAP_FAILED)
		fail("mmap");
	return place;
}

static void arguments(size_t size)
{
	unsigned long fields[64] = {0}, begin = (unsigned long)nothing(size, PROT_READ | PROT_WRITE);
	char text[4096];
	FILE *stat = fopen("/proc/self/stat", "r");
	if (stat == NULL || fgets(text, sizeof text, stat) == NULL)
		fail("stat");
	int count = 3;
	for (char *word = strtok(strrchr(text, ')') + 2, " "); word != NULL && count < 64; word = strtok(NULL, " "))
		fields[count++] = strtoul(word, NULL, 10);
	struct prctl_mm_map map = {
	    .start_code = fields[26],
	    .end_code = fields[27],
	    .start_stack = fields[28],
	    .start_data = fields[45],
	    .end_data = fields[46],
	    .start_brk = fields[47],
	    .brk = (unsigned long)sbrk(0),
	    .arg_start = begin,
	    .arg_end = begin + size,
	    .env_start = begin,
	    .env_end = begin + size,
	    .exe_fd = -1,
	};
	memset((char *)begin, 'x', 4096);
	if (prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0))
		fail("PR_SET_MM_MAP");
}

static void code(size_t size)
{
	char *vdso = (char *)getauxval(AT_SYSINFO_EHDR);
	nothing(size, PROT_READ | PROT_EXEC);
	/* It goes as a whole or not at all. */
	for (size_t length = 4096; vdso != NULL && munmap(vdso, length); length *= 2)
		if (length > 65536)
			fail("munmap");
}

static void maps(int count)
{
	char folder[] = "/tmp/reptyr-hostile-XXXXXX", name[NAME_MAX + 1];
	memset(name, 'x', NAME_MAX);
	name[NAME_MAX] = 0;
	if (mkdtemp(folder) == NULL || chdir(folder))
		fail("mkdtemp");
	for (int depth = 0; depth < 14; depth++)
		if (mkdir(name, 0700) || chdir(name))
			fail("mkdir");
	int file = open(name, O_RDWR | O_CREAT, 0600);
	if (file < 0 || ftruncate(file, 8192) || unlink(name))
		fail("open");
	for (int i = 0; i < count; i++)
		if (mmap(NULL, 4096, i % 2 ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED, file, 4096 * (i % 2)) == MAP_FAILED)
			fail("mmap");
	for (int depth = 0; depth < 14; depth++)
		if (chdir("..") || rmdir(name))
			fail("rmdir");
	if (chdir("/") || rmdir(folder))
		fail("rmdir");
}

int main(int argc, char **argv)
{
	char line[512];
	int status;
	size_t count = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	if (argc > 2 && strcmp(argv[1], "arguments") == 0)
		arguments(count << 20);
	else if (argc > 2 && strcmp(argv[1], "code") == 0)
		code(count << 20);
	else if (argc > 2 && strcmp(argv[1], "maps") == 0)
		maps(count);
	ready();
	while (read_line(line, sizeof line)) {
		if (sscanf(line, "exit %d", &status) == 1)
			return status;
		say("line: %s", line);
	}
	return 0;
}
