/* Ports: packet sockets in network namespaces, and the files of ipnfs. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frames.h"

#define STREAM_READ 65536

static void enter(const char *netns, size_t len)
{
	char path[256];
	int fd;

	snprintf(path, sizeof path, "/run/netns/%.*s", (int)len, netns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		fatal(path, "setns");
	close(fd);
}

static int packet_socket(const char *name, int ifindex, int ethertype)
{
	struct sockaddr_ll a = { .sll_family = AF_PACKET, .sll_protocol = htons(ethertype), .sll_ifindex = ifindex };
	int room = 64 << 20, fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	/* The receiver shall not lose what the switch delivered. */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0 ||
	    bind(fd, (struct sockaddr *)&a, sizeof a) < 0)
		fatal(name, "packet socket");
	return fd;
}

static void open_device(struct port *p)
{
	const char *slash = strchr(p->name, '/');
	struct ifreq req = { 0 };
	int fd, ifindex;

	enter(p->name, slash - p->name);
	strncpy(req.ifr_name, slash + 1, sizeof req.ifr_name - 1);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &req) < 0)
		fatal(p->name, "SIOCGIFHWADDR");
	memcpy(p->mac, req.ifr_hwaddr.sa_data, sizeof p->mac);
	close(fd);
	ifindex = if_nametoindex(slash + 1);
	p->tx = packet_socket(p->name, ifindex, 0);
	p->rx = packet_socket(p->name, ifindex, ETHERTYPE);
}

void port_open(struct port *p, const char *name, int index)
{
	const char *base = strrchr(name, '/');

	p->name = name;
	if (name[0] != '/' && base) {
		p->kind = DEVICE;
		open_device(p);
		return;
	}
	p->kind = base && !strcmp(base, "/stream") ? STREAM_FILE : FRAME_FILE;
	p->tx = p->rx = open(name, O_RDWR | O_CLOEXEC);
	if (p->tx < 0)
		fatal(name, "open");
	p->mac[0] = 2; /* locally administered */
	p->mac[5] = 1 + index;
}

struct batch batch_make(void)
{
	struct batch b = { .stride = 2 + cfg.len };

	b.room = STREAM_READ / b.stride < BATCH ? STREAM_READ / b.stride : BATCH;
	b.at = must(calloc(b.room, b.stride));
	for (size_t i = 0; i < b.room; i++) {
		uint8_t *frame = batch_frame(&b, i);

		frame[-2] = cfg.len >> 8;
		frame[-1] = cfg.len;
		frame[12] = ETHERTYPE >> 8;
		frame[13] = ETHERTYPE & 255;
	}
	return b;
}

uint8_t *batch_frame(struct batch *b, size_t i)
{
	return b->at + i * b->stride + 2;
}

static void write_all(struct port *p, const uint8_t *at, size_t len)
{
	while (len) {
		ssize_t n = write(p->tx, at, len);

		if (n < 0)
			fatal(p->name, "write");
		at += n;
		len -= n;
	}
}

static void send_packets(struct port *p, struct batch *b, size_t n)
{
	struct mmsghdr m[BATCH];
	struct iovec v[BATCH];
	size_t at = 0;

	memset(m, 0, sizeof m);
	for (size_t i = 0; i < n; i++) {
		v[i] = (struct iovec){ batch_frame(b, i), cfg.len };
		m[i].msg_hdr.msg_iov = &v[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	while (at < n) {
		int sent = sendmmsg(p->tx, m + at, n - at, 0);

		if (sent > 0)
			at += sent;
		else if (errno == ENOBUFS)
			at++; /* the interface's queue is full */
		else
			fatal(p->name, "sendmmsg");
	}
}

void port_send(struct port *p, struct batch *b, size_t n)
{
	switch (p->kind) {
	case DEVICE:
		send_packets(p, b, n);
		break;
	case FRAME_FILE:
		for (size_t i = 0; i < n; i++)
			write_all(p, batch_frame(b, i), cfg.len);
		break;
	case STREAM_FILE:
		write_all(p, b->at, n * b->stride);
	}
}

/* Hands on a frame if it is one of ours and for this port: what a switch floods comes by others, too. */
static void hand(struct port *p, const uint8_t *frame, size_t len, void (*each)(void *, const uint8_t *), void *arg)
{
	if (len < 60 || frame[12] != ETHERTYPE >> 8 || frame[13] != (ETHERTYPE & 255))
		return;
	if (frame[0] & 1 || !memcmp(frame, p->mac, sizeof p->mac))
		each(arg, frame + HEADER);
}

static void receive_packets(struct port *p, void (*each)(void *, const uint8_t *), void *arg)
{
	static _Thread_local uint8_t *room;
	struct mmsghdr m[BATCH];
	struct iovec v[BATCH];
	int n;

	if (!room)
		room = must(malloc(BATCH * MAX_SIZE));
	memset(m, 0, sizeof m);
	for (int i = 0; i < BATCH; i++) {
		v[i] = (struct iovec){ room + i * MAX_SIZE, MAX_SIZE };
		m[i].msg_hdr.msg_iov = &v[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	n = recvmmsg(p->rx, m, BATCH, MSG_WAITFORONE, NULL);
	if (n < 0)
		fatal(p->name, "recvmmsg");
	for (int i = 0; i < n; i++)
		hand(p, v[i].iov_base, m[i].msg_len, each, arg);
}

void port_receive(struct port *p, void (*each)(void *, const uint8_t *), void *arg)
{
	static _Thread_local uint8_t room[STREAM_READ];
	ssize_t n;
	size_t len;

	if (p->kind == DEVICE) {
		receive_packets(p, each, arg);
		return;
	}
	n = read(p->rx, room, sizeof room);
	if (n <= 0)
		fatal(p->name, "read");
	if (p->kind == FRAME_FILE) {
		hand(p, room, n, each, arg);
		return;
	}
	for (uint8_t *at = room, *end = room + n; at < end; at += 2 + len) {
		len = at[0] << 8 | at[1];
		if (at + 2 + len > end) {
			errno = EPROTO;
			fatal(p->name, "a frame in pieces");
		}
		hand(p, at + 2, len, each, arg);
	}
}
