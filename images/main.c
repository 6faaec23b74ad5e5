/* SPDX-License-Identifier: Apache-2.0 */
#include "images/verbs.h"
#include "lib/log.h"

#include <locale.h>
#include <signal.h>

int main(int argc, char **argv)
{
	log_open("cells-image");
	/* A server that closes while a push writes is an error of that write.
	 */
	signal(SIGPIPE, SIG_IGN);
	/* Names in pax headers are UTF-8, whatever the user's locale is. */
	setlocale(LC_CTYPE, "C.UTF-8");
	return verbs_main(argc, argv);
}
