/*
 * PATH:MASK, of both faces: add_path() finds what a second reader of the manual
 * finds, or ends with status 1 and one line that says why; the command line stays as
 * it was; and the letters of a mask are read as that mask again.
 *
 * The input: a byte that chooses face and options, one that says which names exist
 * (see world.h), PATH:MASK.
 */
#include "world.h"

static char arg[2 * PATH_MAX];
static char name[sizeof(arg)];
static size_t name_len;

static void add(void)
{
	add_path(arg, 0);
}

/* Does what is before offset at of arg exist? */
static int name_is_there(size_t at)
{
	struct stat st;

	memcpy(name, arg, at);
	name[at] = '\0';
	return fuzz_lstat(name, &st) == 0;
}

/* Is all of s letters of masks? */
static int is_mask(const char *s)
{
	return s[(strspn)(s, "acew0rmynduoxDM/LE+1")] == '\0';
}

/* What the manual says of arg: name_len, and *mask. Returns 0 when it is an error. */
static int expected(unsigned opts, uint32_t *mask)
{
	size_t len = (strlen)(arg), at = len;
	char *s;

	*mask = default_mask(opts);
	name_len = len;
	if (opts & OPT_F) {
		/* at the last colon, if all of it isn't there, and a mask is behind it or
		 * what is before it is there */
		s = (strrchr)(arg, ':');
		if (s && !name_is_there(len) && (is_mask(s + 1) || name_is_there(s - arg))) {
			name_len = s - arg;
		}
		if (name_len != 0 && name_len < len && arg[name_len - 1] == ':') {
			name_len--;
		}
		if (name_len == 0 || name_len >= PATH_MAX) {
			return 0;
		}
	} else {
		/* the longest that is there */
		while (!name_is_there(at)) {
			if (errno == EACCES) {
				return 0;
			}
			do {
				if (at-- == 0) {
					return 0;
				}
			} while (arg[at] != ':');
		}
		name_len = at;
	}
	s = arg + name_len + (strspn)(arg + name_len, ":");
	if (*s) {
		*mask = 0;
		for (; *s; s++) {
			const char *letter = memchr(bit_letters, *s, sizeof(bit_letters));

			if (letter && *s != '.') {
				*mask |= 1u << (letter - bit_letters);
			} else if (*s != ':' && !is_inotifyd()) {
				return 0;
			}
		}
		if (!(*mask & MASK_LETTERS)) {
			*mask |= default_mask(opts);
		}
	}
	return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char before[sizeof(arg)];
	char letters[LETTERS + 1], *s = letters;
	uint32_t mask, bit;
	unsigned opts;

	if (size < 2 || size - 2 >= sizeof(arg)) {
		return 0;
	}
	text_world(data[1]);
	opts = data[0] & (OPT_r | OPT_i | OPT_F);
	if (data[0] & 0x80) {
		applet_name = "inotifyd";
		opts = 0;
	}
	G.opts = G.rules[0].opts = opts;
	memcpy(arg, data + 2, size - 2);
	arg[size - 2] = '\0';
	memcpy(before, arg, sizeof(arg));
	if (!expected(opts, &mask)) {
		RUN(add());
		CHECK(fuzz_status == 1);
		CHECK(check_said(applet_name) == 1);
		return 0;
	}
	RUN(add());
	CHECK(fuzz_status == FUZZ_GOES_ON);
	CHECK(memcmp(before, arg, sizeof(arg)) == 0);
	CHECK(G.paths_used == 1 && G.paths[1].name == arg && G.paths[1].len == name_len);
	CHECK(G.paths[1].mask == mask);
	for (bit = 0; bit < LETTERS; bit++) {
		if (mask >> bit & 1) {
			CHECK(bit_letters[bit] != '\0');
			*s++ = bit_letters[bit];
		}
	}
	*s = '\0';
	CHECK(parse_mask(letters, letters, opts) == mask);
	return 0;
}
