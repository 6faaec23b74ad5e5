/* SPDX-License-Identifier: Apache-2.0 */
#include "images/verbs.h"
#include "lib/log.h"

#include <locale.h>

int main(int argc, char **argv)
{
	log_open("cells-image");
	/* Names in pax headers are UTF-8, whatever the user's locale is. */
	setlocale(LC_CTYPE, "C.UTF-8");
	return verbs_main(argc, argv);
}
