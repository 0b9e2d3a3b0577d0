/*
 * mirror_victim COUNT BYTES: says "ready PID" on descriptor 2, waits for a line, writes COUNT times BYTES to descriptor 1,
 * and says on descriptor 2 how many nanoseconds that took.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long long now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(int argc, char **argv)
{
	long count = argc > 1 ? atol(argv[1]) : 1000;
	size_t bytes = argc > 2 ? (size_t)atol(argv[2]) : 64;
	char *buffer = malloc(bytes), line[16];
	memset(buffer, 'x', bytes);
	buffer[bytes - 1] = '\n';
	dprintf(2, "ready %d\n", (int)getpid());
	if (read(0, line, sizeof line) <= 0)
		return 1;
	long long start = now();
	for (long index = 0; index < count; index++)
		if (write(1, buffer, bytes) != (ssize_t)bytes)
			return 1;
	dprintf(2, "nanoseconds %lld\n", now() - start);
	return 0;
}
