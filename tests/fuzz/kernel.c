/*
 * The event reader, the scanner and the watch table against a kernel that says
 * whatever the input says: torn events, unknown wds, lengths that can't be,
 * names of any bytes, listings that fit to nothing, every call failing.
 *
 * After each round the table must be whole, with no descriptor left open.
 *
 * The input: a byte that chooses options, then what world.h takes from it.
 */
#include "world.h"

static void watch_and_go(void)
{
	static char a[] = "a", b[] = "b/";

	add_path(a, 0);
	if (next_byte() & 1) {
		add_path(b, 0);
	}
	loop();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_world(data, size);
	G.opts = G.rules[0].opts = OPT_r | (next_byte() & (OPT_i | OPT_p));
	RUN(watch_and_go());
	return 0;
}
