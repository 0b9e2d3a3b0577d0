/*
 * Bytes of a pseudo-random sequence, on a terminal that lets every byte pass. After the line `go` on fd 0:
 *   check COUNT    reads COUNT bytes and compares them; says `good COUNT` or `wrong at N`
 *   write COUNT    writes COUNT bytes, and ends at once
 *   both COUNT     does both at the same time, with another sequence for what it writes
 *   flood          writes lines without end until SIGINT; says `interrupted`, and ends with status 7
 */
#include "victim.h"
#include <pthread.h>
#include <stdint.h>

/* Marsaglia's xorshift64, one byte of each number: as in tests/support/input_stream.ts. */
struct sequence {
	uint64_t state;
};

static void fill(struct sequence *sequence, unsigned char *bytes, size_t count)
{
	uint64_t state = sequence->state;
	for (size_t i = 0; i < count; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		bytes[i] = state >> 24;
	}
	sequence->state = state;
}

static size_t total;

static void *check(void *unused)
{
	static unsigned char got[1 << 16], wanted[1 << 16];
	struct sequence sequence = {88172645463325252ULL};
	size_t done = 0;
	(void)unused;
	while (done < total) {
		size_t most = total - done < sizeof got ? total - done : sizeof got;
		ssize_t count = read(0, got, most);
		if (count <= 0)
			fail("read");
		fill(&sequence, wanted, count);
		for (ssize_t i = 0; i < count; i++) {
			if (got[i] != wanted[i]) {
				say("wrong at %zu", done + i);
				exit(1);
			}
		}
		done += count;
	}
	return NULL;
}

static void *produce(void *unused)
{
	static unsigned char bytes[1 << 16];
	struct sequence sequence = {362436069362436069ULL};
	(void)unused;
	for (size_t done = 0; done < total;) {
		size_t count = total - done < sizeof bytes ? total - done : sizeof bytes;
		fill(&sequence, bytes, count);
		for (size_t at = 0; at < count;) {
			ssize_t written = write(1, bytes + at, count - at);
			if (written < 0)
				fail("write");
			at += written;
		}
		done += count;
	}
	return NULL;
}

static void on_interrupt(int number)
{
	(void)number;
	say("interrupted");
	_exit(7);
}

int main(int argc, char **argv)
{
	char line[4] = "";
	struct termios settings;
	const char *what = argc > 1 ? argv[1] : "";
	total = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
	if (tcgetattr(0, &settings))
		fail("tcgetattr");
	if (strcmp(what, "flood") != 0) {
		cfmakeraw(&settings);
		if (tcsetattr(0, TCSANOW, &settings))
			fail("tcsetattr");
	}
	ready();
	/* Not a byte more: what follows may be typed already. */
	for (size_t at = 0; at < sizeof line - 1;) {
		ssize_t count = read(0, line + at, sizeof line - 1 - at);
		if (count <= 0)
			fail("read");
		at += count;
	}
	if (strcmp(line, "go\n") != 0)
		fail("go");
	if (strcmp(what, "check") == 0) {
		check(NULL);
		say("good %zu", total);
	} else if (strcmp(what, "write") == 0) {
		produce(NULL);
	} else if (strcmp(what, "both") == 0) {
		pthread_t thread;
		if (pthread_create(&thread, NULL, produce, NULL))
			fail("pthread_create");
		check(NULL);
		pthread_join(thread, NULL);
	} else if (strcmp(what, "flood") == 0) {
		signal(SIGINT, on_interrupt);
		for (;;)
			say("0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz");
	}
	return 0;
}
