/* SPDX-License-Identifier: Apache-2.0 */
/* The compiled device program, as bytes. */
#include "cellsd/program.h"

__asm__(".section .rodata\n"
	".balign 16\n"
	".global program_start\n"
	"program_start:\n"
	".incbin \"" PROGRAM_FILE "\"\n"
	".global program_end\n"
	"program_end:\n"
	".byte 0\n"
	".previous\n");
