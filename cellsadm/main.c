/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/verbs/verbs.h"

#include "lib/log.h"

#include <locale.h>
#include <signal.h>

int main(int argc, char **argv)
{
	setlocale(LC_CTYPE, "C.UTF-8");
	signal(SIGPIPE, SIG_IGN);
	log_open("cellsadm");
	return verbs_main(argc, argv);
}
