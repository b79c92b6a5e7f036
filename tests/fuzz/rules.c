/*
 * -f RULES: any bytes as the file, read at start, and others when it is read again.
 * It ends with status 1 and one line, or each rule has a slot; after an error in
 * the second file all is as it was; the first, once it was good, is so again. What
 * was read can be written down with quotes, and is read as the same.
 *
 * The input: a byte that says which names exist (see world.h), the first file, 0xff,
 * the second.
 */
#include "world.h"

static uint8_t quoted[2 * RULES_SIZE];

/* Lets size bytes at s be the file. */
static void put_text(const uint8_t *s, size_t size)
{
	text = s;
	text_end = s + size;
}

/* Of how many lines is s? */
static unsigned lines_of(const uint8_t *s, size_t size)
{
	unsigned lines = 1;

	while (size--) {
		lines += (*s++ == '\n');
	}
	return lines;
}

/* What was said names the file, and the last of it a line of that, or what may be
 * wrong with all of it. Forgets it. */
static void check_error(unsigned lines)
{
	static const char front[] = "watchlet: " TEXT ":";
	char *s, *end;

	CHECK(check_said(front) >= 1);
	said[said_len - 1] = '\0';
	s = (strrchr)(said, '\n');
	s = (s ? s + 1 : said) + sizeof(front) - 1;
	if (*s != ' ') {
		unsigned long line = strtoul(s, &end, 10);

		CHECK(line >= 1 && line <= lines && end > s && end[0] == ':' && end[1] == ' ');
		s = end;
	}
	CHECK(s[1] && s[2]); /* with words behind it */
	said_len = 0;
}

/* The end of the words of a rule */
static const char *end_of(const struct rule *rule)
{
	const char *s = rule->path;
	unsigned n;

	for (n = 0; n < 1 + rule->words; n++) {
		s += (strlen)(s) + 1;
	}
	return s;
}

/* Puts the words of all rules into quoted[]. Returns its length. */
static size_t quote(void)
{
	unsigned first = 1 + G.half * MAX_RULES, r;
	uint8_t *dst = quoted;

	for (r = first; r < first + G.rules_used; r++) {
		const char *s = G.rules[r].text, *end = end_of(&G.rules[r]);

		while (s < end) {
			*dst++ = '"';
			for (; *s; s++) {
				if (*s == '"' || *s == '\\') {
					*dst++ = '\\';
				}
				*dst++ = *s;
			}
			s++;
			*dst++ = '"';
			*dst++ = (s < end) ? ' ' : '\n';
		}
	}
	return dst - quoted;
}

/* Has every rule one slot, which nothing else has? */
static void check_slots(void)
{
	unsigned first = 1 + G.half * MAX_RULES, used = 0, w;
	unsigned char seen[RULES] = { 0 };

	for (w = 1; w <= G.paths_used; w++) {
		if (G.watches[w].flags & W_USED) {
			struct path *p = &G.paths[w];

			CHECK(p->rule >= first && p->rule < first + G.rules_used);
			CHECK(!seen[p->rule]);
			seen[p->rule] = 1;
			CHECK(p->name == G.rules[p->rule].path);
			CHECK(p->len <= (strlen)(p->name));
			CHECK(is_alive(w));
			used++;
		}
	}
	CHECK(used == G.rules_used && used == G.paths_left);
	CHECK(die_func == NULL && (strcmp)(applet_name, "watchlet") == 0);
	leave();
	check_table();
}

static void read_quoted(void)
{
	G.half ^= 1;
	read_rules();
}

static void check_round_trip(void)
{
	unsigned half = G.half, used = G.rules_used;
	unsigned from = 1 + half * MAX_RULES, to = 1 + (half ^ 1) * MAX_RULES, r;
	size_t size = quote();

	if (size >= RULES_SIZE) {
		return;
	}
	put_text(quoted, size);
	RUN(read_quoted());
	CHECK(fuzz_status == FUZZ_GOES_ON && G.rules_used == used);
	for (r = 0; r < used; r++) {
		const struct rule *a = &G.rules[from + r], *b = &G.rules[to + r];
		size_t len = end_of(a) - a->text;

		CHECK(len == (size_t)(end_of(b) - b->text) && memcmp(a->text, b->text, len) == 0);
		CHECK(a->words == b->words && a->opts == b->opts && a->settle_ms == b->settle_ms);
		CHECK(a->globs_end - a->globs == b->globs_end - b->globs);
	}
	G.half = half;
}

/* A copy of the state that a failed reload must not change */
static struct path old_paths[MAX_PATHS + 1];
static struct watch old_watches[MAX_PATHS + 1];
static unsigned old_half, old_used;

static void keep(void)
{
	memcpy(old_paths, G.paths, sizeof(old_paths));
	memcpy(old_watches, G.watches, sizeof(old_watches));
	old_half = G.half;
	old_used = G.rules_used;
}

static void check_kept(void)
{
	unsigned w;

	CHECK(G.half == old_half && G.rules_used == old_used);
	for (w = 1; w <= G.paths_used; w++) {
		CHECK((G.watches[w].flags & W_USED) == (old_watches[w].flags & W_USED));
		if (G.watches[w].flags & W_USED) {
			CHECK(G.paths[w].name == old_paths[w].name && G.paths[w].rule == old_paths[w].rule);
			CHECK(G.paths[w].mask == old_paths[w].mask);
			CHECK(G.watches[w].wd == old_watches[w].wd);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *second;
	size_t n;

	if (size < 1) {
		return 0;
	}
	text_world(data[0]);
	data++;
	size--;
	second = memchr(data, 0xff, size);
	n = second ? (size_t)(second - data) : size;
	G.rules_file = TEXT;
	G.opts = OPT_f | OPT_q;
	put_text(data, n);
	RUN(start_rules());
	if (fuzz_status != FUZZ_GOES_ON) {
		CHECK(fuzz_status == 1);
		check_error(lines_of(data, n));
		return 0;
	}
	said_len = 0;
	check_slots();
	check_round_trip();
	if (!second) {
		return 0;
	}
	keep();
	put_text(second + 1, data + size - second - 1);
	RUN(reload());
	CHECK(fuzz_status == FUZZ_GOES_ON);
	if (G.half == old_half) {
		check_error(lines_of(second + 1, data + size - second - 1));
		check_kept();
	}
	check_slots();
	keep();
	put_text(data, n);
	RUN(reload());
	CHECK(fuzz_status == FUZZ_GOES_ON && G.half != old_half);
	check_slots();
	return 0;
}
