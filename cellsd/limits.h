/* SPDX-License-Identifier: Apache-2.0 */
/* Bounds that every part of cellsd knows. */
#ifndef CELLSD_LIMITS_H
#define CELLSD_LIMITS_H

#define VPS_MAX 64
#define VP_NAME_SIZE 65 /* with its NUL */

#endif
