/* Flows: who sends to whom. */
#include <string.h>

#include "frames.h"

static int half(int i, int n, int to[MAX_PORTS])
{
	int found = 0;

	for (int j = n / 2; j < n && i < n / 2; j++)
		to[found++] = j;
	return found;
}

static int mesh(int i, int n, int to[MAX_PORTS])
{
	int found = 0;

	for (int step = 1; step < n; step++) /* each begins with its neighbour */
		to[found++] = (i + step) % n;
	return found;
}

static int out(int i, int n, int to[MAX_PORTS])
{
	return i == 0 ? mesh(i, n, to) : 0;
}

static int in(int i, int n, int to[MAX_PORTS])
{
	(void)n;
	to[0] = 0;
	return i != 0;
}

static int broadcast(int i, int n, int to[MAX_PORTS])
{
	(void)n;
	to[0] = -1;
	return i == 0;
}

flow_fn *flow_named(const char *name)
{
	static const struct {
		const char *name;
		flow_fn *flow;
	} flows[] = { { "half", half }, { "mesh", mesh }, { "out", out }, { "in", in }, { "broadcast", broadcast } };

	for (size_t i = 0; i < sizeof flows / sizeof *flows; i++)
		if (!strcmp(name, flows[i].name))
			return flows[i].flow;
	return NULL;
}
