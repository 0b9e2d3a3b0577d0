/*
 * Writes by every system call that writes. What it writes says how; argument 1 names the kind of file that it makes
 * its descriptor 1: file FOLDER, socket, pipe. `short`: writes that fail, or go in part. `redirects FOLDER`: the same
 * text to files that are descriptor 1 or 2 or the same as one of them at that time, and to some that are not.
 * `peek`: looks at what comes on a socket, its descriptor 0, before it takes it.
 * `truncated`: takes less of a datagram than its length, which the call returns.
 * `opened FOLDER`: the same with descriptors that it writes to before they are open.
 * `uring`: makes its requests by io_uring(7). Says nothing to its first descriptor 1 but by these calls.
 */
#include "victim.h"
#include <linux/close_range.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

static void must(const char *what, long got, long wanted)
{
	if (got == wanted)
		return;
	dprintf(2, "victim failed: %s: %ld, not %ld: %s\n", what, got, wanted, strerror(errno));
	_exit(99);
}

static void put(int fd, const char *text)
{
	must(text, write(fd, text, strlen(text)), strlen(text));
}

/* fd 1 is the file FOLDER/NAME from now on. */
static void redirect(const char *folder, const char *name)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	must("open", fd >= 0, 1);
	must("dup2", dup2(fd, 1), 1);
	close(fd);
}

static struct iovec segments[4];

static int three(const char *name)
{
	segments[0] = (struct iovec){"<", 1};
	segments[1] = (struct iovec){NULL, 0};
	segments[2] = (struct iovec){(char *)name, strlen(name)};
	segments[3] = (struct iovec){">\n", 2};
	return strlen(name) + 3;
}

static void file(const char *folder)
{
	redirect(folder, "calls");
	put(1, "write\n");
	int length = three("writev");
	must("writev", writev(1, segments, 4), length);
	must("pwrite", pwrite(1, "pwrite\n", 7, 100), 7);
	length = three("pwritev");
	must("pwritev", pwritev(1, segments, 4, 200), length);
	length = three("pwritev2");
	must("pwritev2", pwritev2(1, segments, 4, 300, 0), length);

	char path[4096];
	snprintf(path, sizeof path, "%s/source", folder);
	int source = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	put(source, "0123sendfile\nsendfile at\ncopy_file_range\n");
	lseek(source, 4, SEEK_SET);
	must("sendfile", sendfile(1, source, NULL, 9), 9);
	off_t at = 13;
	must("sendfile", sendfile(1, source, &at, 12), 12);
	loff_t from = 25;
	must("copy_file_range", syscall(SYS_copy_file_range, source, &from, 1, NULL, 16, 0), 16);
	put(1, "end\n");
}

static void sockets(void)
{
	int pair[2];
	must("socketpair", socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	dup2(pair[0], 1);
	close(pair[0]);
	must("send", send(1, "send\n", 5, 0), 5);
	must("sendto", sendto(1, "sendto\n", 7, 0, NULL, 0), 7);
	int length = three("sendmsg");
	struct msghdr message = {.msg_iov = segments, .msg_iovlen = 4};
	must("sendmsg", sendmsg(1, &message, 0), length);
	struct iovec one = {"sendmmsg 1\n", 11}, two[2] = {{"sendmmsg", 8}, {" 2\n", 3}};
	struct mmsghdr messages[2] = {{{.msg_iov = &one, .msg_iovlen = 1}, 0}, {{.msg_iov = two, .msg_iovlen = 2}, 0}};
	must("sendmmsg", sendmmsg(1, messages, 2, 0), 2);
#ifdef __i386__
	/* As older C libraries do it: SYS_SEND and SYS_SENDMSG of <linux/net.h>. */
	long send_args[] = {1, (long)"socketcall\n", 11, 0};
	must("socketcall", syscall(SYS_socketcall, 9, send_args), 11);
	long message_args[] = {1, (long)&message, 0};
	must("socketcall", syscall(SYS_socketcall, 16, message_args), length);
#endif
}

static void pipes(const char *folder)
{
	int ends[2], other[2];
	char path[4096];
	must("pipe", pipe(ends), 0);
	must("pipe", pipe(other), 0);
	dup2(ends[1], 1);
	close(ends[1]);
	snprintf(path, sizeof path, "%s/source", folder);
	int source = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	put(source, "splice\n");
	loff_t from = 0;
	must("splice", splice(source, &from, 1, NULL, 7, 0), 7);
	int length = three("vmsplice");
	must("vmsplice", vmsplice(1, segments, 4, 0), length);
	put(other[1], "from a pipe");
	must("splice", splice(other[0], NULL, 1, NULL, 4, 0), 4);
	must("tee", tee(other[0], 1, 4, 0), 4);
	must("splice", splice(other[0], NULL, 1, NULL, 7, 0), 7);
	put(1, "end\n");
}

static void uring(void)
{
	char params[256] = {0};
	int ring = syscall(SYS_io_uring_setup, 4, params);
	must("io_uring_setup", ring >= 0, 1);
	must("io_uring_enter", syscall(SYS_io_uring_enter, ring, 0, 0, 0, NULL, 0), 0);
	must("io_uring_enter", syscall(SYS_io_uring_enter, ring, 0, 0, 0, NULL, 0), 0);
	put(1, "end\n");
}

static void short_writes(void)
{
	int ends[2];
	static char block[1 << 17];
	char *volatile nowhere = (char *)1;
	must("pipe", pipe(ends), 0);
	dup2(ends[1], 1);
	fcntl(1, F_SETFL, O_NONBLOCK);
	memset(block, 'a', sizeof block);
	must("write more than fits", write(1, block, sizeof block), 65536);
	must("write to a full pipe", write(1, block, 10), -1);
	must("write nothing", write(1, block, 0), 0);
	must("read", read(ends[0], block, 4096), 4096);
	memset(block, 'b', sizeof block);
	must("write some", write(1, block, sizeof block), 4096);
	must("write what is not there", write(1, nowhere, 5), -1);
	must("write to nothing", write(77, "77", 2), -1);
	must("read", read(ends[0], block, sizeof block), 65536);
	put(1, "end\n");
}

/* Descriptor 0 is a socket of that type from now on; its other end. */
static int receiver(int type)
{
	int pair[2];
	must("socketpair", socketpair(AF_UNIX, type, 0, pair), 0);
	dup2(pair[0], 0);
	close(pair[0]);
	return pair[1];
}

static void peek(void)
{
	int sender = receiver(SOCK_DGRAM);
	char buffer[64];
	struct iovec one = {buffer, sizeof buffer};
	struct msghdr message = {.msg_iov = &one, .msg_iovlen = 1};
	struct mmsghdr messages[1] = {{{.msg_iov = &one, .msg_iovlen = 1}, 0}};
	put(sender, "recv,");
	must("recv", recv(0, buffer, 4, MSG_PEEK), 4);
	must("recv", recv(0, buffer, sizeof buffer, 0), 5);
	put(sender, "recvmsg,");
	must("recvmsg", recvmsg(0, &message, MSG_PEEK), 8);
	must("recvmsg", recvmsg(0, &message, 0), 8);
	put(sender, "recvmmsg,");
	must("recvmmsg", recvmmsg(0, messages, 1, MSG_PEEK, NULL), 1);
	must("recvmmsg", recvmmsg(0, messages, 1, 0, NULL), 1);
#ifdef __i386__
	/* SYS_RECV and SYS_RECVMSG of <linux/net.h>. */
	for (int flags = MSG_PEEK; flags >= 0; flags -= MSG_PEEK) {
		if (flags)
			put(sender, "socketcall,");
		long recv_args[] = {0, (long)buffer, sizeof buffer, flags};
		must("socketcall", syscall(SYS_socketcall, 10, recv_args), 11);
	}
	for (int flags = MSG_PEEK; flags >= 0; flags -= MSG_PEEK) {
		if (flags)
			put(sender, "its message,");
		long message_args[] = {0, (long)&message, flags};
		must("socketcall", syscall(SYS_socketcall, 17, message_args), 12);
	}
#endif
}

static void redirects(const char *folder)
{
	redirect(folder, "one");
	put(1, "1 is one\n");
	int saved = dup(1);
	put(saved, "a copy of 1\n");
	char path[4096];
	snprintf(path, sizeof path, "%s/one", folder);
	int again = open(path, O_WRONLY | O_APPEND);
	put(again, "one opened again\n");
	redirect(folder, "two");
	put(1, "1 is two\n");
	put(saved, "hidden: the copy is another file than 1\n");
	put(again, "hidden: as is this\n");
	must("dup2", dup2(saved, 1), 1);
	put(1, "1 is one again\n");
	put(saved, "and so is the copy\n");
	close(again);
	snprintf(path, sizeof path, "%s/three", folder);
	must("open", open(path, O_WRONLY | O_CREAT, 0600), again);
	put(again, "hidden: a new file of an old number\n");
	must("dup3", dup3(1, again, O_CLOEXEC), again);
	put(again, "a copy of 1 by dup3\n");
	must("close_range", syscall(SYS_close_range, again, again, 0), 0);
	must("open", open(path, O_WRONLY), again);
	put(again, "hidden: after close_range\n");
	put(2, "2 is what it was\n");
	close(1);
	must("open", open(path, O_WRONLY), 1);
	put(1, "1 is three\n");
	put(again, "three by another number\n");
}

/* MSG_TRUNC: the results are the lengths of the datagrams, all more than there is room for. */
static void truncated(void)
{
	int sender = receiver(SOCK_DGRAM);
	char buffer[4];
	struct iovec two[2] = {{buffer, 1}, {buffer + 1, 3}};
	struct msghdr message = {.msg_iov = two, .msg_iovlen = 2};
	struct mmsghdr messages[2] = {{{.msg_iov = two, .msg_iovlen = 2}, 0}, {{.msg_iov = two, .msg_iovlen = 2}, 0}};
	put(sender, "1st of them");
	must("recv", recv(0, buffer, sizeof buffer, MSG_TRUNC), 11);
	put(sender, "2nd of them");
	must("recvmsg", recvmsg(0, &message, MSG_TRUNC), 11);
	put(sender, "3rd of them");
	must("recvmmsg", recvmmsg(0, messages, 1, MSG_TRUNC, NULL), 1);
	message.msg_iovlen = 0;
	put(sender, "without room");
	must("recvmsg", recvmsg(0, &message, MSG_TRUNC), 12);
	put(sender, "end");
	must("recv", recv(0, buffer, sizeof buffer, 0), 3);
}

/* Receive, as descriptor `number`, which is the lowest free one then, a copy of `fd`. */
static void receive_copy(int fd, int number)
{
	int pair[2] = {0, 0};
	char byte = 0;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof fd)];
	} control;
	struct iovec one = {&byte, 1};
	struct msghdr message = {.msg_iov = &one, .msg_iovlen = 1, .msg_control = &control};
	must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	/* Out of the way of the number. */
	int from = fcntl(pair[0], F_DUPFD, 40), to = fcntl(pair[1], F_DUPFD, 40);
	close(pair[0]);
	close(pair[1]);
	must("write to nothing", write(number, "nothing", 7), -1);
	memset(&control, 0, sizeof control);
	message.msg_controllen = sizeof control.bytes;
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(header), &fd, sizeof fd);
	must("sendmsg", sendmsg(from, &message, 0), 1);
	message.msg_controllen = sizeof control.bytes;
	must("recvmsg", recvmsg(to, &message, 0), 1);
	int got;
	memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof got);
	must("received", got, number);
}

static void opened_later(const char *folder)
{
	redirect(folder, "one");
	char path[4096];
	snprintf(path, sizeof path, "%s/one", folder);
	int next = dup(1);
	close(next);
	must("write to nothing", write(next, "nothing", 7), -1);
	must("open", open(path, O_WRONLY | O_APPEND), next);
	put(next, "opened\n");
	must("write to nothing", write(30, "nothing", 7), -1);
	must("fcntl", fcntl(1, F_DUPFD_CLOEXEC, 30), 30);
	put(30, "copied\n");
	receive_copy(1, next + 1);
	put(next + 1, "received\n");
	close(1);
	put(next, "hidden: 1 is closed\n");
	must("open", open(path, O_WRONLY | O_APPEND), 1);
	put(next, "1 is opened again\n");
	close(next);
	must("write to nothing", write(next, "nothing", 7), -1);
	snprintf(path, sizeof path, "%s/other", folder);
	must("open", open(path, O_WRONLY | O_CREAT, 0600), next);
	put(next, "hidden: another file\n");
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "file";
	const char *folder = argc > 2 ? argv[2] : "";
	signal(SIGPIPE, SIG_IGN);
	if (strcmp(what, "file") == 0)
		file(folder);
	else if (strcmp(what, "socket") == 0)
		sockets();
	else if (strcmp(what, "pipe") == 0)
		pipes(folder);
	else if (strcmp(what, "uring") == 0)
		uring();
	else if (strcmp(what, "truncated") == 0)
		truncated();
	else if (strcmp(what, "opened") == 0)
		opened_later(folder);
	else if (strcmp(what, "peek") == 0)
		peek();
	else if (strcmp(what, "short") == 0)
		short_writes();
	else
		redirects(folder);
	return 0;
}
