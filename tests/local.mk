# SPDX-License-Identifier: Apache-2.0
LOG_DRIVER = AM_TAP_AWK='$(AWK)' $(SHELL) \
	$(top_srcdir)/build-aux/tap-driver.sh
AM_TESTS_ENVIRONMENT = srcdir='$(srcdir)'; builddir='$(builddir)'; \
	export srcdir builddir;
FAULT_WRAP = -Wl,--wrap=fsync -Wl,--wrap=renameat2 -Wl,--wrap=write \
	-Wl,--wrap=fdatasync -Wl,--wrap=pwrite -Wl,--wrap=faccessat \
	-Wl,--wrap=ftruncate

if HAVE_CHECK
check_LIBRARIES += %D%/unit/libunit.a
%C%_unit_libunit_a_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
%C%_unit_libunit_a_SOURCES = %D%/unit/unit.c %D%/unit/unit.h \
	%D%/unit/fault_read.c

# A unit test is one file and one line; a test with faults adds fault.c and
# FAULT_WRAP.
UNIT_LIBS = tests/unit/libunit.a $(BASE_LIBS) $(CHECK_LIBS)

check_PROGRAMS += %D%/unit/test_access
%C%_unit_test_access_LDADD = $(UNIT_LIBS) $(XML_LIBS)

check_PROGRAMS += %D%/unit/test_address
%C%_unit_test_address_LDADD = agent/libagent.a $(UNIT_LIBS)

check_PROGRAMS += %D%/unit/test_admin_config
%C%_unit_test_admin_config_LDADD = $(UNIT_LIBS)

check_PROGRAMS += %D%/unit/test_architecture
%C%_unit_test_architecture_LDADD = $(UNIT_LIBS) $(XML_LIBS)

check_PROGRAMS += %D%/unit/test_audit
%C%_unit_test_audit_LDADD = $(UNIT_LIBS)

check_PROGRAMS += %D%/unit/test_backoff
%C%_unit_test_backoff_LDADD = agent/libagent.a $(UNIT_LIBS)

check_PROGRAMS += %D%/unit/test_bus
%C%_unit_test_bus_LDADD = $(UNIT_LIBS) $(SYSTEMD_LIBS)

check_PROGRAMS += %D%/unit/test_chunk
%C%_unit_test_chunk_LDADD = $(UNIT_LIBS) $(ZSTD_LIBS)

check_PROGRAMS += %D%/unit/test_cdc
%C%_unit_test_cdc_LDADD = tests/unit/libunit.a $(IMAGE_LIBS) $(CHECK_LIBS)

check_PROGRAMS += %D%/unit/test_db
%C%_unit_test_db_LDADD = $(UNIT_LIBS) $(SQLITE_LIBS)

check_PROGRAMS += %D%/unit/test_display
%C%_unit_test_display_LDADD = $(UNIT_LIBS)

check_PROGRAMS += %D%/unit/test_doc
%C%_unit_test_doc_LDADD = $(UNIT_LIBS) $(XML_LIBS)

check_PROGRAMS += %D%/unit/test_enroll
%C%_unit_test_enroll_SOURCES = %D%/unit/test_enroll.c %D%/unit/fault.c
%C%_unit_test_enroll_LDFLAGS = $(AM_LDFLAGS) $(FAULT_WRAP)
%C%_unit_test_enroll_LDADD = agent/libagent.a $(UNIT_LIBS) $(CURL_LIBS)

check_PROGRAMS += %D%/unit/test_worker
%C%_unit_test_worker_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS)
%C%_unit_test_worker_LDADD = agent/libagent.a $(UNIT_LIBS) $(SYSTEMD_LIBS)

check_PROGRAMS += %D%/unit/test_envelope
%C%_unit_test_envelope_LDADD = $(UNIT_LIBS)

check_PROGRAMS += %D%/unit/test_hash
%C%_unit_test_hash_LDADD = $(UNIT_LIBS)

check_PROGRAMS += %D%/unit/test_hpke
%C%_unit_test_hpke_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=key_rng
%C%_unit_test_hpke_LDADD = $(UNIT_LIBS)

check_PROGRAMS += %D%/unit/test_json
%C%_unit_test_json_LDADD = $(UNIT_LIBS)

check_PROGRAMS += %D%/unit/test_key
%C%_unit_test_key_LDADD = $(UNIT_LIBS)

check_PROGRAMS += %D%/unit/test_comparison
%C%_unit_test_comparison_LDADD = tests/unit/libunit.a $(IMAGE_LIBS) $(CHECK_LIBS)

check_PROGRAMS += %D%/unit/test_oci
%C%_unit_test_oci_LDADD = tests/unit/libunit.a $(IMAGE_LIBS) $(CHECK_LIBS)

check_PROGRAMS += %D%/unit/test_merkle
%C%_unit_test_merkle_LDADD = $(UNIT_LIBS)

check_PROGRAMS += %D%/unit/test_mode
%C%_unit_test_mode_LDADD = $(UNIT_LIBS)

check_PROGRAMS += %D%/unit/test_protocol
%C%_unit_test_protocol_LDADD = agent/libagent.a $(UNIT_LIBS)

check_PROGRAMS += %D%/unit/test_receipt
%C%_unit_test_receipt_LDADD = $(UNIT_LIBS)

check_PROGRAMS += %D%/unit/test_err
%C%_unit_test_err_LDADD = $(UNIT_LIBS)

check_PROGRAMS += %D%/unit/test_key_recovery
%C%_unit_test_key_recovery_LDADD = $(UNIT_LIBS)

check_PROGRAMS += %D%/unit/test_keyslots
%C%_unit_test_keyslots_SOURCES = %D%/unit/test_keyslots.c %D%/unit/fault.c
%C%_unit_test_keyslots_LDFLAGS = $(AM_LDFLAGS) $(FAULT_WRAP)
%C%_unit_test_keyslots_LDADD = $(CELLSD_TEST_LIBS)

check_PROGRAMS += %D%/unit/test_password_crypto
%C%_unit_test_password_crypto_LDADD = $(UNIT_LIBS)

check_PROGRAMS += %D%/unit/test_manual
%C%_unit_test_manual_LDADD = $(UNIT_LIBS)

CELLSD_TEST_LIBS = tests/unit/libunit.a cellsd/libcellsd.a $(LIBCELLS) \
	$(CELLSD_LIBS) $(CHECK_LIBS)
check_PROGRAMS += %D%/unit/test_journal
%C%_unit_test_journal_SOURCES = %D%/unit/test_journal.c %D%/unit/fault.c
%C%_unit_test_journal_LDFLAGS = $(AM_LDFLAGS) $(FAULT_WRAP)
%C%_unit_test_journal_LDADD = $(CELLSD_TEST_LIBS)

check_PROGRAMS += %D%/unit/test_disk
%C%_unit_test_disk_LDADD = $(CELLSD_TEST_LIBS)

check_PROGRAMS += %D%/unit/test_file_tree
%C%_unit_test_file_tree_LDADD = $(CELLSD_TEST_LIBS)

check_PROGRAMS += %D%/unit/test_vp_data
%C%_unit_test_vp_data_SOURCES = %D%/unit/test_vp_data.c %D%/unit/fault.c
%C%_unit_test_vp_data_LDFLAGS = $(AM_LDFLAGS) $(FAULT_WRAP)
%C%_unit_test_vp_data_LDADD = $(CELLSD_TEST_LIBS)

check_PROGRAMS += %D%/unit/test_cgroup
%C%_unit_test_cgroup_LDADD = $(CELLSD_TEST_LIBS)

check_PROGRAMS += %D%/unit/test_event_coalesce
%C%_unit_test_event_coalesce_LDADD = $(CELLSD_TEST_LIBS)

check_PROGRAMS += %D%/unit/test_devns_attr
%C%_unit_test_devns_attr_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(NL_CFLAGS)
%C%_unit_test_devns_attr_LDADD = $(CELLSD_TEST_LIBS)

check_PROGRAMS += %D%/unit/test_devns_link
%C%_unit_test_devns_link_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(NL_CFLAGS)
%C%_unit_test_devns_link_LDADD = $(CELLSD_TEST_LIBS)
%C%_unit_test_devns_link_LDFLAGS = $(AM_LDFLAGS) \
	-Wl,--wrap=genl_ctrl_resolve -Wl,--wrap=nl_send_auto

check_PROGRAMS += %D%/unit/test_suppressed_intervals
%C%_unit_test_suppressed_intervals_LDADD = $(CELLSD_TEST_LIBS)

check_PROGRAMS += %D%/unit/test_source_plan
%C%_unit_test_source_plan_LDADD = $(CELLSD_TEST_LIBS)

check_PROGRAMS += %D%/unit/test_device_list
%C%_unit_test_device_list_LDADD = $(CELLSD_TEST_LIBS)
EXTRA_DIST += $(MACHINES:=.devices) $(MACHINES:=.default) \
	$(MACHINES:=.everything)
MACHINES = %D%/unit/machines/laptop %D%/unit/machines/pinephone \
	%D%/unit/machines/imx

check_PROGRAMS += %D%/unit/test_profile
%C%_unit_test_profile_LDADD = $(CELLSD_TEST_LIBS)

check_PROGRAMS += %D%/unit/test_vp_table
%C%_unit_test_vp_table_SOURCES = %D%/unit/test_vp_table.c %D%/unit/fault.c
%C%_unit_test_vp_table_LDFLAGS = $(AM_LDFLAGS) $(FAULT_WRAP)
%C%_unit_test_vp_table_LDADD = $(CELLSD_TEST_LIBS)

check_PROGRAMS += %D%/unit/test_foreground_socket
%C%_unit_test_foreground_socket_LDADD = $(CELLSD_TEST_LIBS)

check_PROGRAMS += %D%/unit/test_firewall
%C%_unit_test_firewall_LDADD = $(CELLSD_TEST_LIBS)

check_PROGRAMS += %D%/unit/test_syscall_groups
%C%_unit_test_syscall_groups_LDADD = $(CELLSD_TEST_LIBS)

check_PROGRAMS += %D%/unit/test_vp_state
%C%_unit_test_vp_state_LDADD = $(CELLSD_TEST_LIBS)

check_PROGRAMS += %D%/unit/test_encoding
%C%_unit_test_encoding_LDADD = $(UNIT_LIBS)

check_PROGRAMS += %D%/unit/test_trust
%C%_unit_test_trust_LDADD = $(UNIT_LIBS) $(XML_LIBS)

check_PROGRAMS += %D%/unit/test_log
%C%_unit_test_log_LDADD = $(UNIT_LIBS)

check_PROGRAMS += %D%/unit/test_pagination
%C%_unit_test_pagination_LDADD = $(UNIT_LIBS)

check_PROGRAMS += %D%/unit/test_table
%C%_unit_test_table_LDADD = $(UNIT_LIBS)

check_PROGRAMS += %D%/unit/test_timer
%C%_unit_test_timer_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(SYSTEMD_CFLAGS)
%C%_unit_test_timer_LDADD = $(UNIT_LIBS) $(SYSTEMD_LIBS)

check_PROGRAMS += %D%/unit/test_process_comm
%C%_unit_test_process_comm_LDADD = $(UNIT_LIBS)

check_PROGRAMS += %D%/unit/test_opt
%C%_unit_test_opt_LDADD = $(UNIT_LIBS)

check_PROGRAMS += %D%/unit/test_enroll_uri
%C%_unit_test_enroll_uri_LDADD = $(UNIT_LIBS)

check_PROGRAMS += %D%/unit/test_verb
%C%_unit_test_verb_LDADD = $(UNIT_LIBS)

check_PROGRAMS += %D%/unit/test_x509
%C%_unit_test_x509_LDADD = $(UNIT_LIBS)

check_PROGRAMS += %D%/unit/test_xml
%C%_unit_test_xml_LDADD = $(UNIT_LIBS) $(XML_LIBS)
# Of cellsadm.
CELLSADM_UNIT_LIBS = tests/unit/libunit.a $(CELLSADM_LIBS) $(CHECK_LIBS)

check_PROGRAMS += %D%/unit/test_diff
%C%_unit_test_diff_LDADD = $(CELLSADM_UNIT_LIBS)

check_PROGRAMS += %D%/unit/test_access_matrix
%C%_unit_test_access_matrix_LDADD = $(CELLSADM_UNIT_LIBS)

check_PROGRAMS += %D%/unit/test_plan
%C%_unit_test_plan_LDADD = $(CELLSADM_UNIT_LIBS)

check_PROGRAMS += %D%/unit/test_revision
%C%_unit_test_revision_LDADD = $(CELLSADM_UNIT_LIBS)

check_PROGRAMS += %D%/unit/test_verbs
%C%_unit_test_verbs_LDADD = $(CELLSADM_UNIT_LIBS)

check_PROGRAMS += %D%/unit/test_wordlist
%C%_unit_test_wordlist_LDADD = $(CELLSADM_UNIT_LIBS)

# cells-policyd
POLICYD_TEST_LIBS = tests/unit/libunit.a $(POLICYD_LIBS) $(CHECK_LIBS)
check_PROGRAMS += %D%/unit/test_layer_assembly
%C%_unit_test_layer_assembly_CFLAGS = $(POLICYD_CFLAGS) $(CHECK_CFLAGS)
%C%_unit_test_layer_assembly_LDADD = $(POLICYD_TEST_LIBS)
check_PROGRAMS += %D%/unit/test_device_messages
%C%_unit_test_device_messages_CFLAGS = $(POLICYD_CFLAGS) $(CHECK_CFLAGS)
%C%_unit_test_device_messages_LDADD = $(POLICYD_TEST_LIBS)
check_PROGRAMS += %D%/unit/test_evaluate
%C%_unit_test_evaluate_CFLAGS = $(POLICYD_CFLAGS) $(CHECK_CFLAGS)
%C%_unit_test_evaluate_LDADD = $(POLICYD_TEST_LIBS)
check_PROGRAMS += %D%/unit/test_password
%C%_unit_test_password_CFLAGS = $(POLICYD_CFLAGS) $(CHECK_CFLAGS)
%C%_unit_test_password_LDADD = $(POLICYD_TEST_LIBS)
check_PROGRAMS += %D%/unit/test_secure_time
%C%_unit_test_secure_time_CFLAGS = $(POLICYD_CFLAGS) $(CHECK_CFLAGS)
%C%_unit_test_secure_time_LDADD = $(POLICYD_TEST_LIBS)
check_PROGRAMS += %D%/unit/test_snapshot
%C%_unit_test_snapshot_CFLAGS = $(POLICYD_CFLAGS) $(CHECK_CFLAGS)
%C%_unit_test_snapshot_LDADD = $(POLICYD_TEST_LIBS)
check_PROGRAMS += %D%/unit/test_verify
%C%_unit_test_verify_CFLAGS = $(POLICYD_CFLAGS) $(CHECK_CFLAGS)
%C%_unit_test_verify_LDADD = $(POLICYD_TEST_LIBS)
check_PROGRAMS += %D%/unit/test_store
%C%_unit_test_store_CFLAGS = $(POLICYD_CFLAGS) $(CHECK_CFLAGS)
%C%_unit_test_store_LDADD = $(POLICYD_TEST_LIBS)

# cells-mgmtd
check_PROGRAMS += %D%/unit/test_blob
%C%_unit_test_blob_LDADD = tests/unit/libunit.a $(MGMTD_LIBS) $(CHECK_LIBS)
%C%_unit_test_blob_CFLAGS = $(MGMTD_CFLAGS)
check_PROGRAMS += %D%/unit/test_filter
%C%_unit_test_filter_LDADD = tests/unit/libunit.a $(MGMTD_LIBS) $(CHECK_LIBS)
%C%_unit_test_filter_CFLAGS = $(MGMTD_CFLAGS)
check_PROGRAMS += %D%/unit/test_route
%C%_unit_test_route_LDADD = tests/unit/libunit.a $(MGMTD_LIBS) $(CHECK_LIBS)
%C%_unit_test_route_CFLAGS = $(MGMTD_CFLAGS)
check_PROGRAMS += %D%/unit/test_audit_log
%C%_unit_test_audit_log_LDADD = tests/unit/libunit.a $(MGMTD_LIBS) $(CHECK_LIBS)
%C%_unit_test_audit_log_CFLAGS = $(MGMTD_CFLAGS)
check_PROGRAMS += %D%/unit/test_password_hash
%C%_unit_test_password_hash_LDADD = tests/unit/libunit.a $(MGMTD_LIBS) $(CHECK_LIBS)

check_PROGRAMS += %D%/unit/test_password_pool
%C%_unit_test_password_pool_LDADD = tests/unit/libunit.a $(MGMTD_LIBS) $(CHECK_LIBS)

check_PROGRAMS += %D%/unit/test_ratelimit
%C%_unit_test_ratelimit_LDADD = tests/unit/libunit.a $(MGMTD_LIBS) $(CHECK_LIBS)
%C%_unit_test_ratelimit_CFLAGS = $(MGMTD_CFLAGS)
check_PROGRAMS += %D%/unit/test_server
%C%_unit_test_server_SOURCES = %D%/unit/test_server.c %D%/unit/unitserver.c \
	%D%/unit/unitserver.h
%C%_unit_test_server_LDADD = tests/unit/libunit.a $(MGMTD_LIBS) $(CHECK_LIBS)
%C%_unit_test_server_CFLAGS = $(MGMTD_CFLAGS)
check_PROGRAMS += %D%/unit/test_request
%C%_unit_test_request_SOURCES = %D%/unit/test_request.c %D%/unit/unitserver.c \
	%D%/unit/unitserver.h
%C%_unit_test_request_LDADD = tests/unit/libunit.a $(MGMTD_LIBS) $(CHECK_LIBS)
%C%_unit_test_request_CFLAGS = $(MGMTD_CFLAGS)
check_PROGRAMS += %D%/unit/test_snapshot_cache
%C%_unit_test_snapshot_cache_SOURCES = %D%/unit/test_snapshot_cache.c %D%/unit/unitserver.c \
	%D%/unit/unitserver.h
%C%_unit_test_snapshot_cache_LDADD = tests/unit/libunit.a $(MGMTD_LIBS) $(CHECK_LIBS)
%C%_unit_test_snapshot_cache_CFLAGS = $(MGMTD_CFLAGS)
check_PROGRAMS += %D%/unit/test_server_plan
%C%_unit_test_server_plan_SOURCES = %D%/unit/test_server_plan.c %D%/unit/unitserver.c \
	%D%/unit/unitserver.h
%C%_unit_test_server_plan_LDADD = tests/unit/libunit.a $(MGMTD_LIBS) $(CHECK_LIBS)
%C%_unit_test_server_plan_CFLAGS = $(MGMTD_CFLAGS)
endif

# A fuzz target is one file; libFuzzer brings main() with --enable-fuzzing,
# replay.c otherwise.
if FUZZING
FUZZ_MAIN =
else
FUZZ_MAIN = %D%/fuzz/replay.c
endif
EXTRA_DIST += %D%/fuzz/fuzz.h %D%/fuzz/replay.c

check_PROGRAMS += %D%/fuzz/fuzz_doc
%C%_fuzz_fuzz_doc_SOURCES = %D%/fuzz/fuzz_doc.c $(FUZZ_MAIN)
%C%_fuzz_fuzz_doc_LDADD = $(FUZZ_LIBS) $(BASE_LIBS) $(XML_LIBS)
EXTRA_DIST += %D%/fuzz/corpus/doc

check_PROGRAMS += %D%/fuzz/fuzz_auditbatch
%C%_fuzz_fuzz_auditbatch_SOURCES = %D%/fuzz/fuzz_auditbatch.c $(FUZZ_MAIN)
%C%_fuzz_fuzz_auditbatch_LDADD = $(FUZZ_LIBS) $(BASE_LIBS)
EXTRA_DIST += %D%/fuzz/corpus/auditbatch

check_PROGRAMS += %D%/fuzz/fuzz_keyslots
%C%_fuzz_fuzz_keyslots_SOURCES = %D%/fuzz/fuzz_keyslots.c $(FUZZ_MAIN)
%C%_fuzz_fuzz_keyslots_LDADD = $(FUZZ_LIBS) cellsd/libcellsd.a $(BASE_LIBS)
EXTRA_DIST += %D%/fuzz/corpus/keyslots

check_PROGRAMS += %D%/fuzz/fuzz_chunk
%C%_fuzz_fuzz_chunk_SOURCES = %D%/fuzz/fuzz_chunk.c $(FUZZ_MAIN)
%C%_fuzz_fuzz_chunk_LDADD = $(FUZZ_LIBS) $(BASE_LIBS) $(ZSTD_LIBS)
EXTRA_DIST += %D%/fuzz/corpus/chunk

check_PROGRAMS += %D%/fuzz/fuzz_chunklist
%C%_fuzz_fuzz_chunklist_SOURCES = %D%/fuzz/fuzz_chunklist.c $(FUZZ_MAIN)
%C%_fuzz_fuzz_chunklist_LDADD = $(FUZZ_LIBS) $(BASE_LIBS) $(ZSTD_LIBS)
EXTRA_DIST += %D%/fuzz/corpus/chunklist

check_PROGRAMS += %D%/fuzz/fuzz_envelope
%C%_fuzz_fuzz_envelope_SOURCES = %D%/fuzz/fuzz_envelope.c $(FUZZ_MAIN)
%C%_fuzz_fuzz_envelope_LDADD = $(FUZZ_LIBS) $(BASE_LIBS)
EXTRA_DIST += %D%/fuzz/corpus/envelope

check_PROGRAMS += %D%/fuzz/fuzz_json
%C%_fuzz_fuzz_json_SOURCES = %D%/fuzz/fuzz_json.c $(FUZZ_MAIN)
%C%_fuzz_fuzz_json_LDADD = $(FUZZ_LIBS) $(BASE_LIBS)
EXTRA_DIST += %D%/fuzz/corpus/json

check_PROGRAMS += %D%/fuzz/fuzz_adminview
%C%_fuzz_fuzz_adminview_SOURCES = %D%/fuzz/fuzz_adminview.c $(FUZZ_MAIN)
%C%_fuzz_fuzz_adminview_LDADD = $(FUZZ_LIBS) $(CELLSADM_LIBS)
EXTRA_DIST += %D%/fuzz/corpus/adminview

check_PROGRAMS += %D%/fuzz/fuzz_revision
%C%_fuzz_fuzz_revision_SOURCES = %D%/fuzz/fuzz_revision.c $(FUZZ_MAIN)
%C%_fuzz_fuzz_revision_LDADD = $(FUZZ_LIBS) $(CELLSADM_LIBS)
EXTRA_DIST += %D%/fuzz/corpus/revision

check_PROGRAMS += %D%/fuzz/fuzz_keyfile
%C%_fuzz_fuzz_keyfile_SOURCES = %D%/fuzz/fuzz_keyfile.c $(FUZZ_MAIN)
%C%_fuzz_fuzz_keyfile_LDADD = $(FUZZ_LIBS) $(BASE_LIBS)
EXTRA_DIST += %D%/fuzz/corpus/keyfile

check_PROGRAMS += %D%/fuzz/fuzz_receipt
%C%_fuzz_fuzz_receipt_SOURCES = %D%/fuzz/fuzz_receipt.c $(FUZZ_MAIN)
%C%_fuzz_fuzz_receipt_LDADD = $(FUZZ_LIBS) $(BASE_LIBS)
EXTRA_DIST += %D%/fuzz/corpus/receipt

check_PROGRAMS += %D%/fuzz/fuzz_snapshot
%C%_fuzz_fuzz_snapshot_CFLAGS = $(POLICYD_CFLAGS)
%C%_fuzz_fuzz_snapshot_SOURCES = %D%/fuzz/fuzz_snapshot.c $(FUZZ_MAIN)
%C%_fuzz_fuzz_snapshot_LDADD = $(POLICYD_LIBS)
EXTRA_DIST += %D%/fuzz/corpus/snapshot

check_PROGRAMS += %D%/fuzz/fuzz_uri
%C%_fuzz_fuzz_uri_SOURCES = %D%/fuzz/fuzz_uri.c $(FUZZ_MAIN)
%C%_fuzz_fuzz_uri_LDADD = $(FUZZ_LIBS) $(BASE_LIBS)
EXTRA_DIST += %D%/fuzz/corpus/uri

check_PROGRAMS += %D%/fuzz/fuzz_oci
%C%_fuzz_fuzz_oci_SOURCES = %D%/fuzz/fuzz_oci.c $(FUZZ_MAIN)
%C%_fuzz_fuzz_oci_LDADD = $(FUZZ_LIBS) $(IMAGE_LIBS)
EXTRA_DIST += %D%/fuzz/corpus/oci

check_PROGRAMS += %D%/fuzz/fuzz_unpack
%C%_fuzz_fuzz_unpack_SOURCES = %D%/fuzz/fuzz_unpack.c $(FUZZ_MAIN)
%C%_fuzz_fuzz_unpack_LDADD = $(FUZZ_LIBS) $(IMAGE_LIBS)
EXTRA_DIST += %D%/fuzz/corpus/unpack

check_PROGRAMS += %D%/fuzz/fuzz_protocol
%C%_fuzz_fuzz_protocol_SOURCES = %D%/fuzz/fuzz_protocol.c $(FUZZ_MAIN)
%C%_fuzz_fuzz_protocol_LDADD = agent/libagent.a $(BASE_LIBS)
EXTRA_DIST += %D%/fuzz/corpus/protocol

# What test_http.py drives.
noinst_PROGRAMS += %D%/e2e/httpcall
%C%_e2e_httpcall_LDADD = $(BASE_LIBS) $(CURL_LIBS)

# Plays a fleet of devices for the benchmarks.
noinst_PROGRAMS += %D%/bench/cells-sim %D%/bench/floor %D%/bench/journal
# Work that is measured in VPs and outside, and outside under their filters.
noinst_PROGRAMS += %D%/bench/worker %D%/bench/filtered %D%/bench/denial
%C%_bench_denial_SOURCES = %D%/bench/denial.c
%C%_bench_denial_LDFLAGS = $(AM_LDFLAGS) -Wl,--as-needed
%C%_bench_denial_LDADD = cellsd/libcellsd.a $(LIBCELLS) $(CELLSD_LIBS)
EXTRA_DIST += %D%/bench/rows/denial.py
%C%_bench_journal_SOURCES = %D%/bench/journal.c
%C%_bench_journal_LDFLAGS = $(AM_LDFLAGS) -Wl,--as-needed
%C%_bench_journal_LDADD = cellsd/libcellsd.a $(LIBCELLS) $(CELLSD_LIBS) $(SQLITE_LIBS)
EXTRA_DIST += %D%/bench/rows/journal.py
%C%_bench_worker_SOURCES = %D%/bench/worker.c
%C%_bench_worker_CFLAGS = -std=gnu11 -Wall -D_GNU_SOURCE -fno-sanitize=all
%C%_bench_worker_LDFLAGS = -static
%C%_bench_worker_LDADD =
%C%_bench_filtered_SOURCES = %D%/bench/filtered.c
%C%_bench_filtered_LDADD = cellsd/libcellsd.a $(LIBCELLS) $(SECCOMP_LIBS)
EXTRA_DIST += %D%/bench/rival.py %D%/bench/rows/overhead.py \
	%D%/bench/rows/vp_exec.py %D%/bench/rows/memory.py
%C%_bench_floor_SOURCES = %D%/bench/floor.c
%C%_bench_floor_LDADD = $(BASE_LIBS)
%C%_bench_cells_sim_SOURCES = %D%/bench/cells-sim.c \
	%D%/bench/simdevice.c %D%/bench/simdevice.h \
	%D%/bench/simstore.c %D%/bench/simstore.h
%C%_bench_cells_sim_LDADD = agent/libagent.a $(BASE_LIBS) $(XML_LIBS) \
	$(ZSTD_LIBS) $(LWS_LIBS) $(CURL_LIBS)

check_PROGRAMS += %D%/fuzz/fuzz_filter
%C%_fuzz_fuzz_filter_SOURCES = %D%/fuzz/fuzz_filter.c $(FUZZ_MAIN)
%C%_fuzz_fuzz_filter_CFLAGS = $(MGMTD_CFLAGS)
%C%_fuzz_fuzz_filter_LDADD = $(FUZZ_LIBS) $(MGMTD_LIBS)
EXTRA_DIST += %D%/fuzz/corpus/filter

check_PROGRAMS += %D%/fuzz/fuzz_rest
%C%_fuzz_fuzz_rest_SOURCES = %D%/fuzz/fuzz_rest.c %D%/fuzz/office.c $(FUZZ_MAIN)
%C%_fuzz_fuzz_rest_CFLAGS = $(MGMTD_CFLAGS)
%C%_fuzz_fuzz_rest_LDADD = $(FUZZ_LIBS) $(MGMTD_LIBS)
EXTRA_DIST += %D%/fuzz/corpus/rest

check_PROGRAMS += %D%/fuzz/fuzz_device_channel
%C%_fuzz_fuzz_device_channel_SOURCES = %D%/fuzz/fuzz_device_channel.c %D%/fuzz/office.c $(FUZZ_MAIN)
%C%_fuzz_fuzz_device_channel_CFLAGS = $(MGMTD_CFLAGS)
%C%_fuzz_fuzz_device_channel_LDADD = $(FUZZ_LIBS) $(MGMTD_LIBS)
EXTRA_DIST += %D%/fuzz/corpus/device_channel

EXTRA_DIST += %D%/fuzz/office.h

TESTS += $(check_PROGRAMS)

LINTS = %D%/lint/clock.sh %D%/lint/controls.sh %D%/lint/dist.sh %D%/lint/test_cellsd_links.sh %D%/lint/documents.sh %D%/lint/english.py %D%/lint/exports.sh %D%/lint/layout.py %D%/lint/names.py %D%/lint/pages.sh \
	%D%/lint/sandbox.py %D%/lint/selinux.sh %D%/lint/ties.py %D%/lint/tools.sh %D%/lint/uapi.sh
dist_noinst_SCRIPTS += $(LINTS) %D%/demo/verify.sh %D%/fuzz/fuzz.sh %D%/lint/analyze.sh %D%/check.sh
TESTS += $(LINTS)

# Programs that tests in the lab run on the phone: one file and one line each.
LAB_TOOLS = %D%/lab/callcost %D%/lab/camera %D%/lab/nlfuzz %D%/lab/ring \
	%D%/lab/stall %D%/lab/stress %D%/lab/toucher
%C%_lab_camera_LDADD = -lpthread
%C%_lab_nlfuzz_CFLAGS = $(AM_CFLAGS) $(NL_CFLAGS)
%C%_lab_nlfuzz_LDADD = $(NL_LIBS)
%C%_lab_stress_LDADD = -lpthread
%C%_lab_toucher_LDADD = -lpthread
noinst_PROGRAMS += $(LAB_TOOLS)
lab: $(LAB_TOOLS)
.PHONY: lab

EXTRA_DIST += %D%/lab/conftest.py %D%/lab/debug.config %D%/lab/devns.py %D%/lab/emulator.py \
	%D%/lab/inside/vplabels.py %D%/lab/makebase.py %D%/lab/test_isolation.py \
	%D%/lab/guest.sh %D%/lab/init.sh %D%/lab/job.py %D%/lab/kernel.py \
	%D%/lab/lab.py %D%/lab/test_foreground.py %D%/lab/test_phone.py \
	%D%/lab/steward.py %D%/lab/test_powercut.py
EXTRA_DIST += %D%/lab/hands.py %D%/lab/talk.py %D%/lab/test_input.py %D%/lab/test_power.py \
	%D%/lab/typist.py
EXTRA_DIST += %D%/lab/test_machine.py
EXTRA_DIST += %D%/lab/inside/consoles.py %D%/lab/test_faulty.py \
	%D%/lab/faulty/faulty.c %D%/lab/faulty/Kbuild
EXTRA_DIST += %D%/lab/inside/devnsgate.py %D%/lab/inside/receipts.py \
	%D%/lab/inside/chain.py %D%/lab/inside/sensor.py \
	%D%/lab/test_devnsgate.py %D%/lab/vpphone.py %D%/bench/rows/chain.py
EXTRA_DIST += %D%/lab/painter.py %D%/lab/pictures.py %D%/lab/test_display.py \
	%D%/lab/test_display_linear.py
EXTRA_DIST += %D%/lab/device.py %D%/lab/handset.py %D%/lab/systemd.sh %D%/lab/test_units.py
EXTRA_DIST += %D%/lab/scale.py %D%/lab/test_camera.py \
	%D%/lab/test_devns.py %D%/lab/upheaval.py
EXTRA_DIST += \
	%D%/e2e/conftest.py %D%/e2e/harness.py %D%/demo/demo.py %D%/demo/frame.py %D%/e2e/test_image.py \
	%D%/e2e/imagekit.py %D%/e2e/test_image_acl.py %D%/e2e/test_image_archive.py %D%/e2e/test_image_input.py \
	%D%/e2e/test_image_hostile.py \
	%D%/e2e/test_image_oci.py %D%/e2e/test_image_stack.py
EXTRA_DIST += %D%/e2e/sdbus.py %D%/e2e/test_cellsd.py %D%/e2e/vpdevice.py \
	%D%/e2e/vpfixtures.py
EXTRA_DIST += %D%/e2e/adversary.py %D%/e2e/adversaryserver.py %D%/e2e/test_adversary.py
EXTRA_DIST += %D%/e2e/docsession.py %D%/e2e/test_docs.py
EXTRA_DIST += %D%/e2e/escrow.py %D%/e2e/test_vpdata.py %D%/bench/rows/lock.py
noinst_PROGRAMS += %D%/e2e/ask
%C%_e2e_ask_CFLAGS = -std=gnu11 -Wall -D_GNU_SOURCE -fno-sanitize=all
%C%_e2e_ask_LDFLAGS = -static
%C%_e2e_ask_LDADD =
EXTRA_DIST += %D%/e2e/test_front.py %D%/e2e/test_resources.py
EXTRA_DIST += %D%/e2e/test_hardening.py %D%/e2e/test_install.py
EXTRA_DIST += %D%/e2e/test_fault.py %D%/e2e/test_fitness.py
EXTRA_DIST += %D%/e2e/test_net.py %D%/e2e/internet.py %D%/e2e/test_waiting.py
EXTRA_DIST += %D%/e2e/test_push.py
EXTRA_DIST += %D%/e2e/office.py %D%/e2e/test_evidence.py %D%/e2e/test_mgmtd.py %D%/e2e/test_modules.py %D%/e2e/test_openapi.py \
	%D%/e2e/test_receipts.py %D%/e2e/test_restored.py
EXTRA_DIST += %D%/bench/fleet.py %D%/bench/rows/connect.py \
	%D%/bench/rows/display.py %D%/bench/rows/fanout.py %D%/bench/rows/idle.py
EXTRA_DIST += %D%/bench/labscene.py %D%/bench/rows/endpoint.py %D%/bench/rows/revoke.py
EXTRA_DIST += %D%/bench/rows/push.py %D%/bench/rows/vp_start.py
dist_noinst_SCRIPTS += %D%/bench/bench.py
EXTRA_DIST += %D%/e2e/busclient.py %D%/e2e/fakecellsd.py %D%/e2e/forge.py %D%/e2e/phone.py \
	%D%/e2e/test_full_disk.py %D%/e2e/test_policyd.py \
	%D%/e2e/test_resume.py %D%/e2e/test_rules.py %D%/e2e/test_words.py
EXTRA_DIST += %D%/e2e/mgmtd.py %D%/e2e/test_agent.py %D%/e2e/test_http.py

# What test_escape.py runs in a VP, whose image has no libraries: static, and
# never sanitized.
noinst_PROGRAMS += %D%/e2e/escape
%C%_e2e_escape_SOURCES = %D%/e2e/escape.c %D%/e2e/escapes.c %D%/e2e/escape.h
%C%_e2e_escape_CFLAGS = -std=gnu11 -Wall -D_GNU_SOURCE -fno-sanitize=all
%C%_e2e_escape_LDFLAGS = -static
%C%_e2e_escape_LDADD =
noinst_PROGRAMS += %D%/e2e/exhaust
%C%_e2e_exhaust_SOURCES = %D%/e2e/exhaust.c
%C%_e2e_exhaust_CFLAGS = -std=gnu11 -Wall -D_GNU_SOURCE -fno-sanitize=all
%C%_e2e_exhaust_LDFLAGS = -static
%C%_e2e_exhaust_LDADD =
EXTRA_DIST += %D%/e2e/test_disclosure.py %D%/e2e/test_exhaustion.py %D%/e2e/test_storage.py %D%/e2e/bystander.py
EXTRA_DIST += %D%/e2e/test_escape.py %D%/e2e/debroot.py %D%/e2e/test_init.py \
	%D%/e2e/test_many.py %D%/e2e/test_prepared.py

EXTRA_DIST += %D%/bench/plant.py %D%/bench/rows/submit.py %D%/bench/rows/switch.py \
	%D%/bench/rows/verify.py
EXTRA_DIST += %D%/e2e/rawport.py %D%/e2e/scene.py %D%/e2e/stolen.py %D%/e2e/test_cellsadm.py \
	%D%/e2e/test_director.py %D%/e2e/test_hand.py %D%/e2e/test_hostile.py %D%/e2e/test_kill.py \
	%D%/e2e/test_limits.py %D%/e2e/test_ports.py %D%/e2e/test_raw_bytes.py %D%/e2e/test_reasons.py \
	%D%/e2e/test_refused_calls.py %D%/e2e/test_rights.py %D%/e2e/test_start.py \
	%D%/e2e/test_stolen_server.py %D%/e2e/test_time.py
# Controls that are taken out, and the tests that must then fail.
EXTRA_DIST += %D%/controls
