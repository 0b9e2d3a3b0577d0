/*
 * waits CALL...
 * One thread for each CALL, which blocks in it for ever; once more each time that it returns. A line on fd 0 is answered by
 *   returned N: CALL CALL ...
 * with the calls that have returned EINTR, and how often in all. CALL-timeout is CALL on a socket with SO_RCVTIMEO and
 * SO_SNDTIMEO; nothing else has a time limit, but for futex-timeout.
 * `unknown CALL` is said where this machine does not have it.
 */
#include "victim.h"
#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>

#define MOST_THREADS 256
#define AN_HOUR 3600

static const char *calls[MOST_THREADS];
static int returned[MOST_THREADS];
static int threads;
static volatile int set_up;

static int is(const char *call, const char *name)
{
	size_t length = strlen(name);
	return strncmp(call, name, length) == 0 && (call[length] == 0 || strcmp(call + length, "-timeout") == 0);
}

static void limit(const char *call, int fd)
{
	struct timeval time = {AN_HOUR, 0};
	if (!strstr(call, "-timeout"))
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
}

static void fill(int fd)
{
	static const char bytes[1 << 16];
	int flags = fcntl(fd, F_GETFL);
	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	while (write(fd, bytes, sizeof bytes) > 0 || write(fd, bytes, 1) > 0)
		;
	fcntl(fd, F_SETFL, flags);
}

static int listener(struct sockaddr_un *address, socklen_t *length)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	memset(address, 0, sizeof *address);
	address->sun_family = AF_UNIX;
	*length = sizeof *address;
	/* A name of the kernel's choice, in the abstract namespace. */
	if (bind(fd, (struct sockaddr *)address, sizeof address->sun_family) || listen(fd, 0) ||
	    getsockname(fd, (struct sockaddr *)address, length))
		fail("listen");
	return fd;
}

static pid_t pausing_child(void)
{
	pid_t child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return child;
}

/* What outlives its makers: removed by a child that learns of this process' end from a pipe. */
struct object {
	int is_semaphore, id;
};

static int objects[2];

static void remove_objects_at_end(void)
{
	struct object object;
	if (pipe2(objects, O_CLOEXEC))
		fail("pipe");
	if (fork())
		return;
	close(objects[1]);
	struct object all[MOST_THREADS];
	int count = 0;
	while (read(objects[0], &object, sizeof object) == sizeof object)
		all[count++] = object;
	while (count-- > 0)
		if (all[count].is_semaphore)
			semctl(all[count].id, 0, IPC_RMID);
		else
			msgctl(all[count].id, IPC_RMID, NULL);
	_exit(0);
}

static int removed_at_end(int is_semaphore, int id)
{
	struct object object = {is_semaphore, id};
	if (id < 0 || write(objects[1], &object, sizeof object) < 0)
		fail("System V IPC");
	return id;
}

/* A file that is gone already. */
static int temporary(void)
{
	return memfd_create("lock", MFD_CLOEXEC);
}

static int reopened(int fd)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return open(path, O_RDWR | O_CLOEXEC);
}

/* All that a thread's calls need; made once. */
struct place {
	int ends[2], pipe[2], full[2], fd, listening, waiting;
	struct sockaddr_un address;
	socklen_t length;
	pid_t child;
	int word, id;
	aio_context_t aio;
	mqd_t queue;
	sigset_t signals;
};

static void prepare(const char *call, struct place *at)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, at->ends) || pipe2(at->pipe, O_CLOEXEC) ||
	    pipe2(at->full, O_CLOEXEC))
		fail("pipe");
	fill(at->full[1]);
	sigemptyset(&at->signals);
	sigaddset(&at->signals, SIGUSR2);
	limit(call, at->ends[0]);
	if (is(call, "write") || is(call, "writev") || strncmp(call, "send", 4) == 0)
		fill(at->ends[0]);
	if (is(call, "accept") || is(call, "accept4") || is(call, "connect")) {
		at->listening = listener(&at->address, &at->length);
		limit(call, at->listening);
	}
	if (is(call, "connect"))
		/* Until the backlog is full. */
		for (;;) {
			int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
			if (connect(fd, (struct sockaddr *)&at->address, at->length))
				break;
		}
	if (is(call, "connect")) {
		at->waiting = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		limit(call, at->waiting);
	}
	if (is(call, "wait4") || is(call, "waitid"))
		at->child = pausing_child();
	if (is(call, "semop") || is(call, "semtimedop"))
		at->id = removed_at_end(1, semget(IPC_PRIVATE, 1, 0600));
	if (is(call, "msgrcv") || is(call, "msgsnd"))
		at->id = removed_at_end(0, msgget(IPC_PRIVATE, 0600));
	if (is(call, "msgsnd")) {
		struct {
			long type;
			char text[4096];
		} message = {1, ""};
		while (msgsnd(at->id, &message, sizeof message.text, IPC_NOWAIT) == 0)
			;
	}
	if (is(call, "mq_timedreceive") || is(call, "mq_timedsend")) {
		struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = 1};
		char name[64];
		snprintf(name, sizeof name, "/reptyr-%d-%d", (int)getpid(), (int)gettid());
		at->queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attributes);
		mq_unlink(name);
		if (is(call, "mq_timedsend"))
			mq_send(at->queue, "x", 1, 0);
	}
	if (is(call, "flock") || is(call, "F_OFD_SETLKW")) {
		struct flock lock = {.l_type = F_WRLCK};
		at->listening = temporary();
		at->fd = reopened(at->listening);
		if (is(call, "flock") ? flock(at->listening, LOCK_EX) : fcntl(at->listening, F_OFD_SETLK, &lock))
			fail(call);
	}
	if (is(call, "read-inotify"))
		at->fd = inotify_init1(IN_CLOEXEC);
	if (is(call, "read-eventfd"))
		at->fd = eventfd(0, EFD_CLOEXEC);
	if (is(call, "read-timerfd"))
		at->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (is(call, "read-signalfd"))
		at->fd = signalfd(-1, &at->signals, SFD_CLOEXEC);
	if (strncmp(call, "epoll", 5) == 0) {
		struct epoll_event event = {EPOLLIN, {0}};
		at->fd = epoll_create1(EPOLL_CLOEXEC);
		epoll_ctl(at->fd, EPOLL_CTL_ADD, at->ends[0], &event);
	}
	if (is(call, "io_getevents"))
		syscall(SYS_io_setup, 1, &at->aio);
	if (is(call, "io_uring_enter")) {
		struct io_uring_params parameters = {0};
		at->fd = syscall(SYS_io_uring_setup, 1, &parameters);
	}
}

static long block(const char *call, struct place *at)
{
	char byte = 'x';
	struct iovec vector = {&byte, 1};
	struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
	struct mmsghdr several = {.msg_hdr = header};
	struct pollfd poll_fd = {at->ends[0], POLLIN, 0};
	struct epoll_event event;
	struct timespec hour = {AN_HOUR, 0};
	struct {
		long type;
		char text[4096];
	} message = {1, ""};
	fd_set set;
	FD_ZERO(&set);
	FD_SET(at->ends[0], &set);

	if (is(call, "read"))
		return read(at->ends[0], &byte, 1);
	if (is(call, "readv"))
		return readv(at->ends[0], &vector, 1);
	if (is(call, "write"))
		return write(at->ends[0], &byte, 1);
	if (is(call, "writev"))
		return writev(at->ends[0], &vector, 1);
	if (is(call, "recvfrom"))
		return recv(at->ends[0], &byte, 1, 0);
	if (is(call, "recvmsg"))
		return recvmsg(at->ends[0], &header, 0);
	if (is(call, "recvmmsg"))
		return recvmmsg(at->ends[0], &several, 1, 0, NULL);
	if (is(call, "sendto"))
		return send(at->ends[0], &byte, 1, 0);
	if (is(call, "sendmsg"))
		return sendmsg(at->ends[0], &header, 0);
	if (is(call, "sendmmsg"))
		return sendmmsg(at->ends[0], &several, 1, 0);
	if (is(call, "accept"))
		return accept(at->listening, NULL, NULL);
	if (is(call, "accept4"))
		return accept4(at->listening, NULL, NULL, SOCK_CLOEXEC);
	if (is(call, "connect"))
		return connect(at->waiting, (struct sockaddr *)&at->address, at->length);
	if (is(call, "read-pipe"))
		return read(at->pipe[0], &byte, 1);
	if (is(call, "write-pipe"))
		return write(at->full[1], &byte, 1);
	if (strncmp(call, "read-", 5) == 0)
		return read(at->fd, &message, sizeof message);
	if (is(call, "splice"))
		return splice(at->pipe[0], NULL, at->full[1], NULL, 1, 0);
	if (is(call, "tee"))
		return tee(at->pipe[0], at->full[1], 1, 0);
	if (is(call, "flock"))
		return flock(at->fd, LOCK_EX);
	if (is(call, "F_OFD_SETLKW")) {
		struct flock lock = {.l_type = F_WRLCK};
		return fcntl(at->fd, F_OFD_SETLKW, &lock);
	}
	if (is(call, "mq_timedreceive"))
		return mq_receive(at->queue, &byte, 1, NULL);
	if (is(call, "mq_timedsend"))
		return mq_send(at->queue, &byte, 1, 0);
	if (strcmp(call, "futex") == 0 || strcmp(call, "futex-timeout") == 0)
		return syscall(SYS_futex, &at->word, FUTEX_WAIT, 0, is(call, "futex") && call[5] ? &hour : NULL, NULL,
			       0);
	if (is(call, "wait4"))
		return wait4(at->child, NULL, 0, NULL);
	if (is(call, "waitid"))
		return waitid(P_PID, at->child, NULL, WEXITED);
	if (is(call, "poll"))
		return poll(&poll_fd, 1, -1);
	if (is(call, "ppoll"))
		return ppoll(&poll_fd, 1, NULL, NULL);
	if (is(call, "select"))
		return select(at->ends[0] + 1, &set, NULL, NULL, NULL);
	if (is(call, "pselect6"))
		return pselect(at->ends[0] + 1, &set, NULL, NULL, NULL, &at->signals);
	if (is(call, "nanosleep"))
		return syscall(SYS_nanosleep, &hour, NULL);
	if (is(call, "clock_nanosleep"))
		return syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &hour, NULL);
	if (is(call, "pause"))
		return pause();
	if (is(call, "rt_sigsuspend"))
		return sigsuspend(&at->signals);
	if (is(call, "rt_sigtimedwait"))
		return sigtimedwait(&at->signals, NULL, NULL);
	if (is(call, "epoll_wait"))
		return epoll_wait(at->fd, &event, 1, -1);
	if (is(call, "epoll_pwait"))
		return epoll_pwait(at->fd, &event, 1, -1, &at->signals);
	if (is(call, "epoll_pwait2"))
		return syscall(SYS_epoll_pwait2, at->fd, &event, 1, NULL, NULL, 0);
	if (is(call, "semop")) {
		struct sembuf down = {0, -1, 0};
		return semop(at->id, &down, 1);
	}
	if (is(call, "semtimedop")) {
		struct sembuf down = {0, -1, 0};
		return semtimedop(at->id, &down, 1, &hour);
	}
	if (is(call, "msgrcv"))
		return msgrcv(at->id, &message, sizeof message.text, 0, 0);
	if (is(call, "msgsnd"))
		return msgsnd(at->id, &message, sizeof message.text, 0);
	if (is(call, "io_getevents")) {
		struct io_event done;
		return syscall(SYS_io_getevents, at->aio, 1, 1, &done, NULL);
	}
	if (is(call, "io_uring_enter"))
		return syscall(SYS_io_uring_enter, at->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0);
	say("unknown %s", call);
	for (;;)
		pause();
}

__attribute__((noreturn)) static void *wait_for_ever(void *argument)
{
	int index = (int)(long)argument;
	struct place at = {0};
	prepare(calls[index], &at);
	__atomic_add_fetch(&set_up, 1, __ATOMIC_SEQ_CST);
	for (;;) {
		if (block(calls[index], &at) >= 0)
			continue;
		if (errno == EINTR) {
			__atomic_add_fetch(&returned[index], 1, __ATOMIC_SEQ_CST);
			continue;
		}
		say("unknown %s: %s", calls[index], strerrorname_np(errno));
		for (;;)
			pause();
	}
}

int main(int argc, char **argv)
{
	sigset_t signals;
	char line[64];

	remove_objects_at_end();
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	for (threads = 0; threads < argc - 1 && threads < MOST_THREADS; threads++) {
		pthread_t thread;
		calls[threads] = argv[threads + 1];
		if (pthread_create(&thread, NULL, wait_for_ever, (void *)(long)threads))
			fail("pthread_create");
	}
	while (set_up < threads)
		usleep(1000);
	ready();
	while (read_line(line, sizeof line)) {
		char text[1800] = "";
		int sum = 0;
		for (int index = 0; index < threads; index++) {
			size_t used = strlen(text);
			sum += returned[index];
			if (returned[index] > 0)
				snprintf(text + used, sizeof text - used, " %s", calls[index]);
		}
		say("returned %d:%s.", sum, text);
	}
	_exit(0);
}
