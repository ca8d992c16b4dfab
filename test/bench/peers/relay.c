/*
 * relay: a hub over Unix datagrams, doing per frame what vde_switch -hub does: one process polls the
 * sockets of all its ports, receives one datagram from each that has one and sends it to all others
 * without blocking; a full receiver (net.unix.max_dgram_qlen) loses it.
 *
 *	relay PATH
 *
 * A client connects to the SEQPACKET socket PATH and is handed its datagram socket over it, then
 * keeps that connection for as long as it wants the port, as VDE's control connection does. What
 * is left out of vde_switch: its control protocol, its switching, its accounting.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_PORTS 2048
#define MAX_FRAME (1 << 17)

/* Entry 0 is the listener; then for port i the control connection at 1+2i, the data socket at 2+2i. */
static struct pollfd polled[1 + 2 * MAX_PORTS];
static int ports;
static char frame[MAX_FRAME];

static void give(int ctl, int fd)
{
	union { struct cmsghdr h; char room[CMSG_SPACE(sizeof fd)]; } c = { 0 };
	struct iovec v = { "p", 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof c };

	c.h = (struct cmsghdr){ CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(&c.h), &fd, sizeof fd);
	if (sendmsg(ctl, &m, MSG_NOSIGNAL) < 0)
		perror("relay: hand out a socket");
}

static void join(void)
{
	int pair[2], ctl = accept4(polled[0].fd, NULL, NULL, SOCK_CLOEXEC);

	if (ctl < 0)
		return;
	if (ports == MAX_PORTS || socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) < 0) {
		perror("relay: no port");
		close(ctl);
		return;
	}
	give(ctl, pair[1]);
	close(pair[1]);
	polled[1 + 2 * ports] = (struct pollfd){ ctl, POLLIN, 0 };
	polled[2 + 2 * ports] = (struct pollfd){ pair[0], POLLIN, 0 };
	ports++;
}

static void leave(int port)
{
	close(polled[1 + 2 * port].fd);
	close(polled[2 + 2 * port].fd);
	ports--;
	memcpy(&polled[1 + 2 * port], &polled[1 + 2 * ports], 2 * sizeof *polled);
}

static void forward(int port)
{
	ssize_t n = recv(polled[2 + 2 * port].fd, frame, sizeof frame, MSG_DONTWAIT);

	for (int i = 0; n > 0 && i < ports; i++)
		if (i != port)
			send(polled[2 + 2 * i].fd, frame, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

int main(int argc, char **argv)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct rlimit files;

	if (argc != 2 || strlen(argv[1]) >= sizeof a.sun_path) {
		fprintf(stderr, "usage: relay PATH\n");
		return 1;
	}
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	strcpy(a.sun_path, argv[1]);
	polled[0] = (struct pollfd){ socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), POLLIN, 0 };
	if (bind(polled[0].fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(polled[0].fd, 128) < 0) {
		perror("relay");
		return 1;
	}
	for (;;) {
		if (poll(polled, 1 + 2 * ports, -1) < 0 && errno != EINTR)
			return 1;
		/* From the last to the first: leave() moves the last port into the gap. */
		for (int i = ports - 1; i >= 0; i--) {
			if (polled[2 + 2 * i].revents & POLLIN)
				forward(i);
			if (polled[1 + 2 * i].revents)
				leave(i);
		}
		if (polled[0].revents)
			join();
	}
}
