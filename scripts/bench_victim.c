/*
 * What scripts/bench.ts moves about. Prints `ready` once it is set up.
 *
 *   lines        answers each line with the same line in upper case
 *   keys         raw mode; answers each byte with the next one
 *   flood BYTES  raw mode; for each byte that is read, writes BYTES bytes as fast as it can
 *   gaps FILE [MICROSECONDS]
 *                records in FILE, a shared mapping of three uint64_t, the longest time in nanoseconds between
 *                two turns of its loop, how many turns there were, and, when it is not 0, a request to begin anew
 */
#include <ctype.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static void raw(void) {
  struct termios settings;
  tcgetattr(0, &settings);
  cfmakeraw(&settings);
  tcsetattr(0, TCSANOW, &settings);
}

static void ready(void) {
  if (write(1, "ready\n", 6) != 6) exit(1);
}

static void write_all(const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t count = write(1, bytes, length);
    if (count <= 0) exit(1);
    bytes += count;
    length -= count;
  }
}

static void lines(void) {
  char line[4096];
  ssize_t length;
  ready();
  while ((length = read(0, line, sizeof line)) > 0) {
    for (ssize_t i = 0; i < length; i++) line[i] = toupper((unsigned char)line[i]);
    write_all(line, length);
  }
}

static void keys(void) {
  char key;
  raw();
  ready();
  while (read(0, &key, 1) == 1) {
    key++;
    write_all(&key, 1);
  }
}

static void flood(size_t bytes) {
  static char block[1 << 16];
  char key;
  memset(block, 'x', sizeof block);
  raw();
  ready();
  while (read(0, &key, 1) == 1) {
    for (size_t left = bytes; left > 0;) {
      size_t length = left < sizeof block ? left : sizeof block;
      write_all(block, length);
      left -= length;
    }
  }
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * UINT64_C(1000000000) + time.tv_nsec;
}

static void gaps(const char *path, long pause_us) {
  int fd = open(path, O_RDWR);
  volatile uint64_t *shared =
      mmap(NULL, 3 * sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (shared == MAP_FAILED) exit(1);
  ready();
  for (uint64_t last = now();;) {
    /* A short sleep: a loop without one would mostly record when the scheduler ran something else. It is
       also the system call that reptyr waits for. */
    nanosleep(&(struct timespec){.tv_nsec = pause_us * 1000}, NULL);
    uint64_t time = now();
    if (shared[2]) {
      shared[0] = shared[1] = 0;
      shared[2] = 0;
    } else if (time - last > shared[0]) {
      shared[0] = time - last;
    }
    shared[1]++;
    last = time;
  }
}

int main(int argc, char **argv) {
  const char *mode = argc > 1 ? argv[1] : "";
  if (!strcmp(mode, "lines")) lines();
  else if (!strcmp(mode, "keys")) keys();
  else if (!strcmp(mode, "flood") && argc > 2) flood(strtoul(argv[2], NULL, 10));
  else if (!strcmp(mode, "gaps") && argc > 2) gaps(argv[2], argc > 3 ? atol(argv[3]) : 50);
  else return 2;
  return 0;
}
