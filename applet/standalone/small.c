/*
 * Smaller versions of what regcomp(), regexec() and strftime() of musl call:
 * together with those they would take 87 KiB. The locale is always C here, so
 * letters are those of ASCII.
 *
 * Licensed under 0BSD, see file LICENSE in the watchlet source tree.
 */
#include "libbb.h"
#include <wchar.h>
#include <wctype.h>

/* Other C libraries call these themselves, for more than is done here. */
#ifndef __GLIBC__

#if ENABLE_FEATURE_WATCHLET_REGEX

/* Memory is taken from the front of an array, whose pages cost nothing before.
 * It comes back when all behind it has: that is what regexec() does, and what
 * regcomp() built stays. In front of each block: its size, 1 added if it is
 * free, and the size of the one before it. */
enum {
	ARENA = 1024 * 1024,
	HEAD = 16,
};
static char arena[ARENA] __attribute__((aligned(16)));
static unsigned used, last;

void *malloc(size_t size)
{
	unsigned *head = (unsigned *)(arena + used);

	if (size > ARENA - 2 * HEAD - used) {
		errno = ENOMEM;
		return NULL;
	}
	size = (size + HEAD - 1) & -HEAD;
	head[0] = size;
	head[1] = last;
	last = used;
	used += HEAD + size;
	return head + HEAD / sizeof(*head);
}

void free(void *p)
{
	if (p) {
		*(unsigned *)((char *)p - HEAD) |= 1;
		while (used != 0 && (*(unsigned *)(arena + last) & 1)) {
			used = last;
			last = ((unsigned *)(arena + used))[1];
		}
	}
}

void *realloc(void *p, size_t size)
{
	void *new = malloc(size);
	size_t old;

	if (p && new) {
		old = *(unsigned *)((char *)p - HEAD);
		memcpy(new, p, old < size ? old : size);
		free(p);
	}
	return new;
}

void *calloc(size_t n, size_t size)
{
	void *p = malloc(n * size);

	if (p) {
		memset(p, 0, n * size);
	}
	return p;
}

/* For the few ranges of a bracket expression */
void qsort(void *base, size_t n, size_t size, int (*cmp)(const void *, const void *))
{
	char *end = (char *)base + n * size;
	char *a, *b, c;
	size_t i;

	for (a = base; a < end; a += size) {
		for (b = a; b > (char *)base && cmp(b - size, b) > 0; b -= size) {
			for (i = 0; i < size; i++) {
				c = b[i];
				b[i] = b[i - size];
				b[i - size] = c;
			}
		}
	}
}

/* A class is where its name is here; from alpha on it has all letters of some
 * kind, and up to print more than these. */
static const char classes[] ALIGN1 =
	"cntrl\0" "blank\0" "space\0" "digit\0" "xdigit\0" "upper\0" "lower\0" "alpha\0"
	"alnum\0" "punct\0" "graph\0" "print\0";

wctype_t wctype(const char *name)
{
	const char *s = classes;

	for (; *s; s += strlen(s) + 1) {
		if (strcmp(s, name) == 0) {
			return s - classes + 1;
		}
	}
	return 0;
}

int iswctype(wint_t c, wctype_t type)
{
	const char *s = classes + type - 1;
	int digit = (c - '0' < 10);
	int lower = (c - 'a' < 26), upper = (c - 'A' < 26);
	int graph = (c - '!' < 94);

	switch (s[0] + s[4] * 256) {
	case 'c' + 'l' * 256:
		return c < ' ' || c == 0x7f;
	case 'b' + 'k' * 256:
		return c == ' ' || c == '\t';
	case 's' + 'e' * 256:
		return c == ' ' || c - '\t' < 5;
	case 'd' + 't' * 256:
		return digit;
	case 'x' + 'i' * 256:
		return digit || (c | 32) - 'a' < 6;
	case 'u' + 'r' * 256:
		return upper;
	case 'l' + 'r' * 256:
		return lower;
	case 'a' + 'a' * 256:
		return lower || upper;
	case 'a' + 'm' * 256:
		return lower || upper || digit;
	case 'p' + 't' * 256:
		return s[1] == 'u' ? graph && !(lower || upper || digit) : graph || c == ' ';
	default:
		return graph;
	}
}

int iswlower(wint_t c)
{
	return c - 'a' < 26;
}

int iswupper(wint_t c)
{
	return c - 'A' < 26;
}

int iswalnum(wint_t c)
{
	return c - '0' < 10 || (c | 32) - 'a' < 26;
}

wint_t towlower(wint_t c)
{
	return iswupper(c) ? c | 32 : c;
}

wint_t towupper(wint_t c)
{
	return iswlower(c) ? c & ~32 : c;
}

#endif

#if ENABLE_FEATURE_WATCHLET_TIMEFMT

/* Decimal numbers, as strftime() has them in %10Y */
unsigned long strtoul(const char *s, char **end, int base UNUSED_PARAM)
{
	unsigned long n = 0;

	while (*s >= '0' && *s <= '9') {
		n = n * 10 + *s++ - '0';
	}
	*end = (char *)s;
	return n;
}

/* strftime() prints its numbers with %0*lld and the like: flags 0 and +, a width
 * or a precision. There is room for what it asks for. */
int snprintf(char *dst, size_t size, const char *format, ...)
{
	va_list ap;
	char *s = dst, *end = dst + size - 1;

	va_start(ap, format);
	while (*format && s < end) {
		char digits[24];
		char *d = digits + sizeof(digits);
		char pad = ' ', sign = '\0';
		int width = 0, is_long = 0, precision = 0;
		long long n;
		unsigned long long u;

		if (*format != '%') {
			*s++ = *format++;
			continue;
		}
		while (*++format != 'd' && *format != 'u') {
			if (*format == '+') {
				sign = '+';
			} else if (*format == '.') {
				precision = 1; /* a width counts the sign, this doesn't */
				pad = '0';
			} else if (*format == '0' && width == 0) {
				pad = '0';
			} else if (*format == '*') {
				width = va_arg(ap, int);
			} else if (*format == 'l') {
				is_long++;
			} else {
				width = width * 10 + *format - '0';
			}
		}
		format++;
		n = is_long > 1 ? va_arg(ap, long long) : is_long ? va_arg(ap, long) : va_arg(ap, int);
		u = n;
		if (n < 0) {
			sign = '-';
			u = -u;
		}
		do {
			*--d = '0' + u % 10;
		} while (u /= 10);
		width -= digits + sizeof(digits) - d;
		if (sign && !precision) {
			width--;
		}
		if (sign && pad == ' ') {
			*--d = sign;
		} else if (sign && s < end) {
			*s++ = sign;
		}
		for (; width > 0 && s < end; width--) {
			*s++ = pad;
		}
		while (d < digits + sizeof(digits) && s < end) {
			*s++ = *d++;
		}
	}
	va_end(ap);
	*s = '\0';
	return s - dst;
}

#endif

#endif
