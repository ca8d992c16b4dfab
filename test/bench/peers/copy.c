/*
 * copy: what a virtual machine's socket is measured against: memcpy of as many bytes a frame, one
 * thread, from COUNT places of memory to as many others.
 *
 *	copy BYTES COUNT SECONDS	prints JSON: fps, copies a second
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	size_t bytes = atoi(argv[1]), count = atoi(argv[2]), size = (bytes + 2047) / 2048 * 2048;
	char *from = malloc(size * count), *to = malloc(size * count);
	if (!from || !to)
		return 1;
	memset(from, 1, size * count);
	memset(to, 2, size * count);
	double begin = now(), end = begin + atof(argv[3]), t;
	long copies = 0;
	for (; (t = now()) < end; copies += count)
		for (size_t i = 0; i < count; i++) {
			memcpy(to + i * size, from + i * size, bytes);
			__asm__ volatile("" : : "r"(to) : "memory"); /* the compiler shall leave none out */
		}
	printf("{\"fps\": %.0f}\n", copies / (t - begin));
	return 0;
}
