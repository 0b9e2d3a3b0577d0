/*
 * Is called as the executable is, and has open what is called as a job record of it, or several. KIND:
 *   memfd TEXT    a sealed file of memory with TEXT in it
 *   unsealed TEXT the same, which can be changed
 *   sparse BYTES  a file of memory of that size, of nothing
 *   fifo          a named pipe without a writer
 *   mark          a named pipe, too, called otherwise
 *   device        a device, of which it has only the name: O_PATH in open(2)
 *   wide N        has a descriptor N
 *   as UID        what follows is made as that user, who it is not for the rest
 *   user UID      is that user from now on, without any capability
 * All but files of memory need root, for a mount namespace of their own, in which a name can be anything. Says it when
 * one of these is opened, by its number among them.
 */
#include "victim.h"
#include <sched.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define NAME "reptyr-job"

static int maker = -1;

static int memory_file(void)
{
	if (maker >= 0 && (setegid(maker) || seteuid(maker)))
		fail("seteuid");
	int fd = memfd_create(NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (maker >= 0 && (seteuid(0) || setegid(0)))
		fail("seteuid");
	return fd;
}

static void memory(const char *text, int sealed)
{
	int fd = memory_file();
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		fail("memfd_create");
	if (sealed && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK))
		fail("F_ADD_SEALS");
}

static void sparse(long long size)
{
	int fd = memory_file();
	if (fd < 0 || ftruncate(fd, size))
		fail("ftruncate");
	fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK);
}

/* The root of a mount namespace in which nothing else is: the text of a link begins there. */
static void own_root(void)
{
	static int done;
	if (done++)
		return;
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/mnt", "tmpfs", 0, NULL) || chdir("/mnt"))
		fail("mount");
	if (mkdir("old", 0700) || syscall(SYS_pivot_root, ".", "old") || chdir("/"))
		fail("pivot_root");
}

static int watch = -1;

/* Has it open, of which nothing but the text of a link is left; each open(2) of it from now on is said. */
static void other(const char *name, mode_t mode, dev_t device, int flags)
{
	own_root();
	watch = watch < 0 ? inotify_init1(IN_CLOEXEC) : watch;
	if (mknod(name, mode | 0666, device) || open(name, flags) < 0 ||
	    inotify_add_watch(watch, name, IN_OPEN) < 0 || unlink(name))
		fail("mknod");
}

static void wide(int number)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit))
		fail("getrlimit");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) || dup2(0, number) < 0)
		fail("dup2");
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "fifo") == 0)
			other("/memfd:" NAME, S_IFIFO, 0, O_RDWR);
		else if (strcmp(argv[i], "mark") == 0)
			other("/mark", S_IFIFO, 0, O_RDWR);
		else if (strcmp(argv[i], "device") == 0)
			other("/memfd:" NAME, S_IFCHR, makedev(1, 3), O_PATH);
		else if (i + 1 == argc)
			fail(argv[i]);
		else if (strcmp(argv[i], "memfd") == 0)
			memory(argv[++i], 1);
		else if (strcmp(argv[i], "unsealed") == 0)
			memory(argv[++i], 0);
		else if (strcmp(argv[i], "sparse") == 0)
			sparse(atoll(argv[++i]));
		else if (strcmp(argv[i], "wide") == 0)
			wide(atoi(argv[++i]));
		else if (strcmp(argv[i], "as") == 0)
			maker = atoi(argv[++i]);
		else if (strcmp(argv[i], "user") == 0 && ++i && (setgid(atoi(argv[i])) || setuid(atoi(argv[i]))))
			fail("setuid");
	}
	if (prctl(PR_SET_NAME, "reptyr") || prctl(PR_SET_DUMPABLE, 1))
		fail("prctl");
	ready();
	for (;;) {
		struct inotify_event event;
		if (watch < 0)
			pause();
		else if (read(watch, &event, sizeof event) == sizeof event)
			say("opened %d", event.wd);
	}
}
