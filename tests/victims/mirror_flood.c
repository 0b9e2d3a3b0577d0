/*
 * mirror_flood BYTES THREADS CHILDREN LARGEST: writes BYTES in each of THREADS threads, and in each of CHILDREN child
 * processes, to descriptor 1, in records: `struct record`, then `length` bytes, byte K being (id + 7 * number + 13 * K).
 * A record is one write(2) of random size, or several when a write goes in part. Waits for a line first.
 */
#include "victim.h"
#include <pthread.h>
#include <stdint.h>

struct record {
	uint32_t magic, id, number, length;
};

static long long bytes;
static uint32_t largest;

static void *flood(void *argument)
{
	uint32_t id = (uint32_t)(uintptr_t)argument;
	uint32_t seed = id * 2654435761u + 1;
	unsigned char *buffer = malloc(sizeof(struct record) + largest);
	uint32_t number = 0;
	for (long long left = bytes; left > 0; number++) {
		seed = seed * 1664525u + 1013904223u;
		uint32_t length = (seed >> 8) % largest;
		struct record record = {0x21524f52, id, number, length};
		memcpy(buffer, &record, sizeof record);
		for (uint32_t k = 0; k < length; k++)
			buffer[sizeof record + k] = id + 7 * number + 13 * k;
		for (size_t done = 0, all = sizeof record + length; done < all;) {
			ssize_t count = write(1, buffer + done, all - done);
			if (count < 0) {
				dprintf(2, "victim failed: write: %s\n", strerror(errno));
				_exit(99);
			}
			done += count;
		}
		left -= sizeof record + length;
	}
	free(buffer);
	return NULL;
}

int main(int argc, char **argv)
{
	char line[80];
	bytes = atoll(argv[1]);
	int threads = atoi(argv[2]), children = atoi(argv[3]);
	largest = argc > 4 ? atoi(argv[4]) : 60000;
	dprintf(2, "ready %d\n", (int)getpid());
	if (!read_line(line, sizeof line))
		return 1;
	for (int index = 0; index < children; index++) {
		if (fork() == 0) {
			flood((void *)(uintptr_t)(100 + index));
			_exit(0);
		}
	}
	pthread_t thread[64];
	for (int index = 0; index < threads; index++)
		pthread_create(&thread[index], NULL, flood, (void *)(uintptr_t)index);
	for (int index = 0; index < threads; index++)
		pthread_join(thread[index], NULL);
	while (wait(NULL) > 0)
		;
	return 0;
}
