/* SPDX-License-Identifier: Apache-2.0 */
/* Counters for /metrics, each written down once. */
#ifndef MGMT_SERVER_CORE_METRICS_H
#define MGMT_SERVER_CORE_METRICS_H

#include <stdint.h>

/* X(member, name, kind, help) */
#define METRICS(X)                                                             \
	X(requests, "requests_total", "counter", "REST requests answered")     \
	X(refused, "requests_refused_total", "counter",                        \
	  "REST requests answered with 4xx")                                   \
	X(failed, "requests_failed_total", "counter",                          \
	  "REST requests answered with 5xx")                                   \
	X(limited, "requests_limited_total", "counter",                        \
	  "requests beyond a rate")                                            \
	X(connections, "connections", "gauge", "open connections")             \
	X(identities_refused, "device_identities_refused_total", "counter",    \
	  "client certificates refused in the handshake")                      \
	X(channels, "device_channels", "gauge", "connected devices")           \
	X(channels_refused, "device_channels_refused_total", "counter",        \
	  "device channels put off with 503")                                  \
	X(receipts, "receipts_total", "counter", "receipts verified")          \
	X(receipts_refused, "receipts_refused_total", "counter",               \
	  "receipts that did not verify")                                      \
	X(records, "audit_records_total", "counter",                           \
	  "audit records of devices stored")                                   \
	X(snapshots, "snapshots_signed_total", "counter", "snapshots signed")  \
	X(commits, "commits_total", "counter", "transactions")                 \
	X(commits_failed, "commits_failed_total", "counter",                   \
	  "transactions that failed")                                          \
	X(chunk_bytes, "chunk_bytes_sent_total", "counter",                    \
	  "bytes of chunks served")                                            \
	X(alarms, "alarms_total", "counter", "alarms raised")                  \
	X(lapsing, "lapsing", "gauge",                                         \
	  "documents, tokens and certificates near their end")                 \
	X(lapsed, "lapsed", "gauge", "those that have ended")                  \
	X(next_lapse, "next_lapse_timestamp_seconds", "gauge",                 \
	  "when the next one ends; 0: none is near")                           \
	X(full, "storage_full", "gauge", "1: only reads are served")

struct metrics {
#define METRICS_MEMBER(member, name, kind, help) uint64_t member;
	METRICS(METRICS_MEMBER)
#undef METRICS_MEMBER
};

/* Prometheus text format 0.0.4; `entries`: of the audit tree. The caller frees;
 * NULL: no memory. */
char *metrics_format_text(const struct metrics *g, uint64_t entries);

#endif
