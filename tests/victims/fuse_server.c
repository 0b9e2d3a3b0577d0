/*
 * A file system of one file, and a program that uses it:
 *   fuse_server FOLDER SOURCE OPTIONS COMMAND ARG...
 * mounts a file system on FOLDER, in a mount namespace of its own. Its one file is called `file` and has the bytes of
 * SOURCE. COMMAND has that open as descriptor 10, and FOLDER as its working directory. OPTIONS, joined by commas:
 *   member     the server is a child of COMMAND in its process group; else it has a session of its own
 *   busy       a further child in that group asks the server all the time
 *   forks      a further child in that group has one child after another, each of which asks the server some hundred times
 *   bears      the server itself has one child after another, each of which does the same
 *   user=N     only user N may use the file system, and COMMAND runs as that user
 *   userns     with user=N: all is in a user namespace that this user has made, which the file system is mounted in
 *   none       nothing of this
 * What is written to the file is thrown away. Says `server PID`, and as a member `written: COUNT` for each write. SIGUSR1
 * makes the server read requests and never answer them.
 *
 * The protocol is that of <linux/fuse.h>: fuse(4).
 */
#include "victim.h"
#include <linux/fuse.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#define FILE_NODE 2
#define HELD 10
/* Without FUSE_MAX_PAGES the kernel asks for 32 pages at once. */
#define MOST_BYTES (32 * 4096)

/* What one of many children asks for. */
#define MANY 300

static int device, source, bears;
static const char *path;
static off_t size;
static volatile sig_atomic_t silent;

static void be_silent(int unused)
{
	silent = unused;
}

static void answer(uint64_t unique, int error, const void *data, size_t length)
{
	struct fuse_out_header header = {sizeof header + length, -error, unique};
	char reply[sizeof header + MOST_BYTES];
	memcpy(reply, &header, sizeof header);
	if (length > 0)
		memcpy(reply + sizeof header, data, length);
	/* ENOENT: who asked has been interrupted. */
	if (write(device, reply, header.len) < 0 && errno != ENOENT)
		exit(1);
}

static struct fuse_attr attributes(uint64_t node)
{
	struct fuse_attr attr = {.ino = node, .nlink = 1, .blksize = 4096};
	attr.mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0755;
	attr.size = node == FUSE_ROOT_ID ? 0 : size;
	return attr;
}

/* A child of the server has no file there yet, which the server could not open while it does not serve. */
static void bear(void)
{
	static pid_t child;
	struct stat info;
	if (child > 0 && waitpid(child, NULL, WNOHANG) == 0)
		return;
	child = fork();
	if (child != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(device);
	for (int times = 0; times < MANY; times++)
		if (stat(path, &info))
			break;
	_exit(0);
}

static void serve_one(const struct fuse_in_header *in, const void *argument)
{
	switch (in->opcode) {
	case FUSE_INIT: {
		const struct fuse_init_in *init = argument;
		struct fuse_init_out out = {.major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION};
		out.max_readahead = init->max_readahead;
		out.max_write = 4096;
		answer(in->unique, 0, &out, sizeof out);
		break;
	}
	case FUSE_LOOKUP: {
		struct fuse_entry_out out = {.nodeid = FILE_NODE, .attr = attributes(FILE_NODE)};
		int found = in->nodeid == FUSE_ROOT_ID && strcmp(argument, "file") == 0;
		answer(in->unique, found ? 0 : ENOENT, &out, found ? sizeof out : 0);
		break;
	}
	case FUSE_SETATTR:
	case FUSE_GETATTR: {
		struct fuse_attr_out out = {.attr = attributes(in->nodeid)};
		answer(in->unique, 0, &out, sizeof out);
		if (bears)
			bear();
		break;
	}
	case FUSE_OPEN:
	case FUSE_OPENDIR: {
		struct fuse_open_out out = {.fh = 1};
		answer(in->unique, 0, &out, sizeof out);
		break;
	}
	case FUSE_READ: {
		const struct fuse_read_in *read_in = argument;
		static char bytes[MOST_BYTES];
		size_t wanted = read_in->size < sizeof bytes ? read_in->size : sizeof bytes;
		ssize_t count = pread(source, bytes, wanted, read_in->offset);
		answer(in->unique, count < 0 ? errno : 0, bytes, count < 0 ? 0 : count);
		break;
	}
	case FUSE_WRITE: {
		const struct fuse_write_in *write_in = argument;
		struct fuse_write_out out = {.size = write_in->size};
		say("written: %u", write_in->size);
		answer(in->unique, 0, &out, sizeof out);
		break;
	}
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		answer(in->unique, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	default:
		answer(in->unique, ENOSYS, NULL, 0);
	}
}

__attribute__((noreturn)) static void serve(void)
{
	static char request[FUSE_MIN_READ_BUFFER + 65536];
	for (;;) {
		ssize_t count = read(device, request, sizeof request);
		if (count < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT))
			continue;
		if (count < (ssize_t)sizeof(struct fuse_in_header))
			exit(0);
		if (!silent)
			serve_one((void *)request, request + sizeof(struct fuse_in_header));
	}
}

/* A child that ends with this program; 0 in the child. */
static pid_t child_of_ours(int is_member)
{
	pid_t parent = getpid(), child = fork();
	if (child != 0)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	if (!is_member) {
		int nothing = open("/dev/null", O_RDWR);
		setsid();
		for (int fd = 0; fd <= 2; fd++)
			dup2(nothing, fd);
		close(nothing);
	}
	return 0;
}

static void own_mounts(void)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		fail("mount namespace");
}

static void become(unsigned uid)
{
	if (setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
		fail("setresuid");
}

static void map(const char *file, unsigned id)
{
	char text[40];
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	snprintf(text, sizeof text, "0 %u 1", id);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail(file);
	close(fd);
}

static void enter_user_namespace(void)
{
	unsigned uid = getuid(), gid = getgid();
	int groups;
	if (unshare(CLONE_NEWUSER))
		fail("user namespace");
	groups = open("/proc/self/setgroups", O_WRONLY | O_CLOEXEC);
	if (groups < 0 || write(groups, "deny", 4) < 0)
		fail("setgroups");
	close(groups);
	map("/proc/self/uid_map", uid);
	map("/proc/self/gid_map", gid);
}

int main(int argc, char **argv)
{
	if (argc < 5) {
		errno = EINVAL;
		fail("fuse_server FOLDER SOURCE OPTIONS COMMAND");
	}
	const char *folder = argv[1], *user = strstr(argv[3], "user=");
	unsigned uid = user == NULL ? 0 : atoi(user + strlen("user="));
	int is_apart = strstr(argv[3], "userns") != NULL;
	char options[200], file_path[300], device_path[300] = "/dev/fuse";
	struct stat info;

	bears = strstr(argv[3], "bears") != NULL;
	snprintf(file_path, sizeof file_path, "%s/file", folder);
	path = file_path;
	source = open(argv[2], O_RDONLY | O_CLOEXEC);
	if (is_apart) {
		/* The device has to be opened by the program that mounts, which this machine's file may not allow that. */
		snprintf(device_path, sizeof device_path, "%s/fuse", folder);
		own_mounts();
		if (mount("tmpfs", folder, "tmpfs", 0, "mode=755") || mknod(device_path, S_IFCHR | 0600, makedev(10, 229)) ||
		    chown(device_path, uid, uid))
			fail("device");
		become(uid);
		/* The files in /proc are this user's. */
		prctl(PR_SET_DUMPABLE, 1);
		enter_user_namespace();
		uid = 0;
	}
	own_mounts();
	device = open(device_path, O_RDWR | O_CLOEXEC);
	if (device < 0 || source < 0 || fstat(source, &info))
		fail("open");
	size = info.st_size;
	snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=%u,group_id=%u%s", device, uid, uid,
		 user == NULL ? ",allow_other" : "");
	if (mount("fuse", folder, "fuse.victim", MS_NOSUID | MS_NODEV, options))
		fail("mount");
	if (user != NULL)
		become(uid);
	pid_t server = child_of_ours(strstr(argv[3], "member") != NULL);
	if (server == 0) {
		signal(SIGUSR1, be_silent);
		serve();
	}
	close(device);
	if (chdir(folder))
		fail("chdir");
	int file = open("file", O_RDONLY);
	if (file < 0 || dup2(file, HELD) < 0 || close(file))
		fail("file");
	if (strstr(argv[3], "busy") != NULL && child_of_ours(1) == 0)
		while (fstat(HELD, &info) == 0)
			;
	if (strstr(argv[3], "forks") != NULL && child_of_ours(1) == 0)
		for (;;) {
			pid_t child = child_of_ours(1);
			for (int times = 0; child == 0 && times < MANY; times++)
				if (fstat(HELD, &info))
					break;
			if (child == 0 || waitpid(child, NULL, 0) < 0)
				_exit(0);
		}
	say("server %d", (int)server);
	execvp(argv[4], argv + 4);
	fail("execvp");
}
