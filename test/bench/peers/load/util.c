/* Endpoints, processes, time and latencies for load. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

void fatal(const char *what)
{
	fprintf(stderr, "load: %s %s: ", cfg.transport, cfg.path);
	perror(what);
	exit(1);
}

void *must(void *allocated)
{
	if (!allocated || allocated == MAP_FAILED)
		fatal("memory");
	return allocated;
}

void *shared_memory(size_t len)
{
	return must(mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
}

/* The relay hands the datagram socket over a connection, which stays open as long as this process. */
static int relay_endpoint(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	union { struct cmsghdr h; char room[CMSG_SPACE(sizeof(int))]; } c;
	char byte;
	struct iovec v = { &byte, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof c };
	int fd, ctl = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	strncpy(a.sun_path, cfg.path, sizeof a.sun_path - 1);
	if (connect(ctl, (struct sockaddr *)&a, sizeof a) < 0)
		fatal("connect");
	if (recvmsg(ctl, &m, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&m))
		fatal("no socket from the relay");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
	return fd;
}

int endpoint(int flags)
{
	int fd;

	if (!strcmp(cfg.transport, "dgram"))
		return relay_endpoint();
	fd = open(cfg.path, flags | O_CLOEXEC);
	if (fd < 0)
		fatal("open");
	return fd;
}

pid_t child(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		fatal("fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}
	return pid;
}

void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t daemon_cpu_ns(void)
{
	clockid_t clock;

	if (!cfg.daemon || clock_getcpuclockid(cfg.daemon, &clock))
		return 0;
	return clock_ns(clock);
}

void settle(unsigned step_us)
{
	uint64_t before, after = daemon_cpu_ns();

	for (int i = 0; i < 1000; i++) {
		usleep(step_us);
		before = after;
		after = daemon_cpu_ns();
		if (after - before < step_us * 10ull) /* 1 %: a runtime's housekeeping */
			return;
	}
}

void futex_wait_ms(_Atomic uint32_t *word, uint32_t value, unsigned ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000l };

	syscall(SYS_futex, word, FUTEX_WAIT, value, &t, NULL, 0);
}

void futex_wake(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

void latency_add(struct latencies *l, uint64_t ns)
{
	if (l->count == l->room) {
		l->room = l->room ? 2 * l->room : 1 << 16;
		l->ns = must(realloc(l->ns, l->room * sizeof *l->ns));
	}
	l->ns[l->count++] = ns < UINT32_MAX ? ns : UINT32_MAX;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

void latency_print(struct latencies *l, uint64_t measured_ns)
{
	if (!l->count)
		fatal("nothing measured");
	qsort(l->ns, l->count, sizeof *l->ns, by_value);
	printf("{\"ops\":%.1f,\"p50\":%.2f,\"p99\":%.2f}\n", l->count * 1e9 / measured_ns,
	       l->ns[l->count / 2] / 1e3, l->ns[l->count * 99 / 100] / 1e3);
}
