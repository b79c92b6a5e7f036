/*
 * escape(): what comes out holds no control byte and no lone backslash, and what
 * printf %b makes of it is what went in: \ooo is one byte, and \0ooo too.
 */
#include "applet.h"

/* What printf %b makes of s, in dst (POSIX: \0ooo; GNU and ash: \ooo, too).
 * Returns its length. */
static size_t percent_b(char *dst, const char *s)
{
	char *start = dst;

	while (*s) {
		unsigned value = 0, digits = 0, most;

		if (*s != '\\') {
			*dst++ = *s++;
			continue;
		}
		s++;
		CHECK(*s >= '0' && *s <= '7'); /* nothing else is ever behind one */
		most = (*s == '0') ? 4 : 3;
		while (digits < most && *s >= '0' && *s <= '7') {
			value = value * 8 + (*s++ - '0');
			digits++;
		}
		*dst++ = value;
	}
	return dst - start;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char in[512], out[4 * sizeof(in) + 1], back[sizeof(out)];
	char *end, *s;
	size_t n;

	if (size >= sizeof(in)) {
		return 0;
	}
	memcpy(in, data, size);
	in[size] = '\0';
	end = escape(out, in);
	CHECK(*end == '\0' && (size_t)(end - out) <= 4 * size);
	for (s = out; s < end; s++) {
		CHECK((unsigned char)*s >= ' ' && *s != 0x7f);
	}
	n = percent_b(back, out);
	CHECK(n == (strlen)(in) && memcmp(back, in, n) == 0);
	return 0;
}
