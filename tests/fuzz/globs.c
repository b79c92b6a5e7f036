/*
 * glob_match() against fnmatch() of libc: they agree wherever fnmatch(3) has no
 * more to it than * ? [a-z] [!a-z] of bytes.
 * The input: the glob, a zero byte, the name.
 */
#include "applet.h"
#include <fnmatch.h>

/* Is this a pattern that means the same to both? Not: backslash; [^…]; classes
 * as in [[:alpha:]]; a bracket that isn't closed (fnmatch's is a matter of
 * taste), ranges that go down, and a range whose end is a bracket. */
static int is_plain(const char *glob)
{
	const char *g = glob;

	while (*g) {
		if (*g == '\\') {
			return 0;
		}
		if (*g++ == '[') {
			const char *first;

			if (*g == '^') {
				return 0;
			}
			if (*g == '!') {
				g++;
			}
			for (first = g; *g != ']' || g == first; g++) {
				if (!*g || *g == '[' || *g == '\\' || *g == '/' || *g == '^' || *g == '-') {
					return 0;
				}
				if (g[1] == '-') {
					if ((unsigned char)g[2] < (unsigned char)*g || g[2] == ']'
					 || g[2] == '[' || g[2] == '\\' || g[2] == '-' || g[2] == '/') {
						return 0;
					}
					g += 2;
				}
			}
			g++;
		}
	}
	return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char glob[128], name[128];
	const uint8_t *zero = memchr(data, 0, size);
	size_t n;
	int ours, libc;

	if (!zero || (n = zero - data) >= sizeof(glob) || size - n - 1 >= sizeof(name)) {
		return 0;
	}
	memcpy(glob, data, n + 1);
	memcpy(name, zero + 1, size - n - 1);
	name[size - n - 1] = '\0';
	ours = glob_match(glob, name);
	CHECK(ours == 0 || ours == 1);
	if (is_plain(glob)) {
		libc = (fnmatch(glob, name, FNM_NOESCAPE) == 0);
		CHECK(ours == libc);
	}
	return 0;
}
