/* SPDX-License-Identifier: Apache-2.0 */
/* What of a VP's config and isolation this machine does not enforce. */
#ifndef CELLSD_LIFECYCLE_UNSUPPORTED_VP_H
#define CELLSD_LIFECYCLE_UNSUPPORTED_VP_H

#include <stddef.h>

#define UNSUPPORTED_VP_MAX 12

struct vp;
struct vp_data_info;

/* Names, as receipts and lists have them; how many there are. */
size_t unsupported_vp_list_features(const struct vp *v,
				    const struct vp_data_info *data,
				    const char *ret[UNSUPPORTED_VP_MAX]);

#endif
