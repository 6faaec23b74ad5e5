/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content-defined chunking: splits a layer by its content, so that inserted
 * bytes move only the nearest boundaries. The method is FastCDC: a Gear hash,
 * no boundary before CHUNK_SIZE_MIN, and a mask that matches less often before
 * the wanted size than after it. (W. Xia et al., FastCDC: a Fast and Efficient
 * Content-Defined Chunking Approach for Data Deduplication, USENIX ATC 2016.)
 */
#ifndef IMAGES_CDC_H
#define IMAGES_CDC_H

#include <stddef.h>
#include <stdint.h>

struct cdc {
	uint64_t gear[256];
};

void cdc_init(struct cdc *c);

/*
 * Returns the size of the first chunk of data in bytes. The result is the same
 * for the same bytes if `len` is at least CHUNK_SIZE_MAX, or reaches the end of
 * the layer.
 */
size_t cdc_chunk_length(const struct cdc *c, const uint8_t *data, size_t len);

#endif
