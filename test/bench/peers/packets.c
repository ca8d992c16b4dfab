/*
 * packets: what the sockets qemu and seq of a network are measured against.
 *
 *	packets forward qemu|seq PATH		listen at PATH and pass what one of two peers sends to the other
 *	packets load qemu|seq PATH BYTES SECONDS	connect twice, send frames by one connection, receive them by
 *						the other, and print JSON: fps, how many came a second;
 *						frames, how many came
 *
 * qemu is a stream of frames behind 4-byte big-endian lengths; the forwarder passes bytes and looks at
 * none. seq is a message a frame, passed by recvmmsg and sendmmsg. At most WINDOW frames are on their way,
 * so that none is lost where a queue is short. One thread each.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BURST 32
#define WINDOW 64
#define ROOM (64 << 10)

static int packets; /* seq */
static char buffer[BURST][ROOM];
static struct mmsghdr headers[BURST];
static struct iovec pieces[BURST];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void prepare(int n, size_t bytes)
{
	for (int i = 0; i < n; i++) {
		pieces[i] = (struct iovec){ buffer[i], bytes };
		headers[i].msg_hdr = (struct msghdr){ .msg_iov = &pieces[i], .msg_iovlen = 1 };
	}
}

/* Pass what is there, and tell whether both peers are. A peer that takes nothing makes us wait for him. */
static int pass(int from, int to)
{
	if (!packets) {
		ssize_t n = read(from, buffer, ROOM);
		if (n <= 0)
			return 0;
		for (ssize_t at = 0, done; at < n; at += done)
			if ((done = write(to, (char *)buffer + at, n - at)) < 0)
				return 0;
		return 1;
	}
	prepare(BURST, ROOM);
	int n = recvmmsg(from, headers, BURST, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		if (headers[i].msg_len == 0)
			return 0;
		pieces[i].iov_len = headers[i].msg_len;
	}
	for (int at = 0, done; at < n; at += done)
		if ((done = sendmmsg(to, headers + at, n - at, 0)) < 0)
			return 0;
	return 1;
}

/* Serve two peers until one hangs up. */
static void forward(int listener)
{
	int peers[2], epoll = epoll_create1(0), both = 1;
	for (int i = 0; i < 2; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.u32 = i };
		if ((peers[i] = accept(listener, NULL, NULL)) < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, peers[i], &event))
			die("accept");
	}
	while (both) {
		struct epoll_event events[2];
		int n = epoll_wait(epoll, events, 2, -1);
		for (int i = 0; i < n && both; i++)
			both = pass(peers[events[i].data.u32], peers[1 - events[i].data.u32]);
	}
	close(peers[0]);
	close(peers[1]);
	close(epoll);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static char stream[BURST * (4 + ROOM)], sink[BURST * ROOM];

/* Make the frames of a burst: to all, of one sender. */
static void make(int bytes)
{
	int length = htonl(bytes);
	for (int i = 0; i < BURST; i++) {
		char *at = stream + i * (4 + bytes);
		memcpy(at, &length, 4);
		memset(at + 4, 0xff, 6);
		at[10] = 2;
	}
}

/* Send a burst of frames of so many bytes. */
static void burst(int fd, int bytes)
{
	if (packets) {
		for (int i = 0; i < BURST; i++) {
			pieces[i] = (struct iovec){ stream + i * (4 + bytes) + 4, bytes };
			headers[i].msg_hdr = (struct msghdr){ .msg_iov = &pieces[i], .msg_iovlen = 1 };
		}
		for (int at = 0, done; at < BURST; at += done)
			if ((done = sendmmsg(fd, headers + at, BURST - at, 0)) < 0)
				die("sendmmsg");
		return;
	}
	int size = 4 + bytes;
	for (ssize_t at = 0, done; at < BURST * size; at += done)
		if ((done = write(fd, stream + at, BURST * size - at)) < 0)
			die("write");
}

/* Receive, and tell how many bytes of frames of so many came. */
static long take(int fd, int bytes)
{
	if (packets) {
		prepare(BURST, ROOM);
		int n = recvmmsg(fd, headers, BURST, MSG_WAITFORONE, NULL);
		if (n <= 0)
			die("recvmmsg");
		return (long)n * bytes;
	}
	ssize_t n = read(fd, sink, sizeof sink);
	if (n <= 0)
		die("read");
	return n;
}

static void load(int from, int to, int bytes, double seconds)
{
	long size = packets ? bytes : bytes + 4, sent = 0, came = 0; /* bytes */
	make(bytes);
	double begin = now(), end = begin + seconds, t;
	while ((t = now()) < end) {
		for (; sent - came <= (WINDOW - BURST) * size; sent += BURST * size)
			burst(from, bytes);
		came += take(to, bytes);
	}
	printf("{\"fps\": %.0f, \"frames\": %ld}\n", came / size / (t - begin), came / size);
}

static int open_socket(const char *path, int listening)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, packets ? SOCK_SEQPACKET : SOCK_STREAM, 0);
	strncpy(address.sun_path, path, sizeof address.sun_path - 1);
	if (listening ? bind(fd, (void *)&address, sizeof address) || listen(fd, 2) : connect(fd, (void *)&address, sizeof address))
		die(path);
	return fd;
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 2;
	packets = !strcmp(argv[2], "seq");
	if (!strcmp(argv[1], "forward")) {
		signal(SIGPIPE, SIG_IGN);
		for (int listener = open_socket(argv[3], 1);;)
			forward(listener);
	}
	if (argc < 6)
		return 2;
	int from = open_socket(argv[3], 0), to = open_socket(argv[3], 0);
	usleep(200000); /* they are ports */
	load(from, to, atoi(argv[4]), atof(argv[5]));
	return 0;
}
