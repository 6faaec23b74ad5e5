/* SPDX-License-Identifier: Apache-2.0 */
/* The assembler finds the file by the -I of the top of the build tree. */
#include "cellsd/device/bpf_program.h"

__asm__(".section .rodata\n"
	".balign 16\n"
	".global bpf_program_start\n"
	"bpf_program_start:\n"
	".incbin \"cellsd/device/device.bpf.o\"\n"
	".global bpf_program_end\n"
	"bpf_program_end:\n"
	".byte 0\n"
	".previous\n");
