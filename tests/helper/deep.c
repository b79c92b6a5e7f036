/* deep - make directories deeper than a path can say
 *
 *	deep DIR NAME N     in DIR make NAME, in it NAME, … N of them
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int n = argc == 4 ? atoi(argv[3]) : 0;

	if (n <= 0 || chdir(argv[1]) != 0)
		return 125;
	while (n-- > 0)
		if (mkdir(argv[2], 0755) != 0 || chdir(argv[2]) != 0) {
			perror(argv[2]);
			return 1;
		}
	return 0;
}
