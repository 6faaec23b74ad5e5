/* SPDX-License-Identifier: Apache-2.0 */
/* device.bpf.c, compiled at build time, as an ELF object in memory. */
#ifndef CELLSD_DEVICE_BPF_PROGRAM_H
#define CELLSD_DEVICE_BPF_PROGRAM_H

extern const char bpf_program_start[], bpf_program_end[];

#endif
