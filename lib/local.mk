# SPDX-License-Identifier: Apache-2.0
# What several programs need; no daemon's logic.
noinst_LIBRARIES += %D%/libcells.a
%C%_libcells_a_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS) $(SQLITE_CFLAGS) \
	$(SYSTEMD_CFLAGS) $(XML_CFLAGS) $(ZSTD_CFLAGS)
%C%_libcells_a_SOURCES = \
	%D%/admin_config.c %D%/admin_config.h \
	%D%/architecture.c %D%/architecture.h \
	%D%/auto.h \
	%D%/bus.c %D%/bus.h \
	%D%/bus_json.c %D%/bus_json.h \
	%D%/chunk.c %D%/chunk.h \
	%D%/class.c %D%/class.h \
	%D%/clock.c %D%/clock.h \
	%D%/config.c %D%/config.h \
	%D%/db.c %D%/db.h \
	%D%/display.c %D%/display.h \
	%D%/encoding.c %D%/encoding.h \
	%D%/err.c %D%/err.h \
	%D%/fnv.h \
	%D%/http.c %D%/http.h \
	%D%/http_handle.c %D%/http_handle.h %D%/http_target.h \
	%D%/http_problem.c %D%/http_problem.h \
	%D%/http_retry.c %D%/http_retry.h \
	%D%/io.c %D%/io.h \
	%D%/json.c %D%/json.h \
	%D%/log.c %D%/log.h \
	%D%/opt.c %D%/opt.h \
	%D%/pagination.c %D%/pagination.h \
	%D%/process_comm.c %D%/process_comm.h \
	%D%/reason.c %D%/reason.h \
	%D%/table.c %D%/table.h \
	%D%/timer.c %D%/timer.h \
	%D%/tty_line.c %D%/tty_line.h \
	%D%/verb.c %D%/verb.h \
	%D%/crypto/hash.c %D%/crypto/hash.h \
	%D%/crypto/hpke.c %D%/crypto/hpke.h \
	%D%/crypto/key.c %D%/crypto/key.h \
	%D%/crypto/key_file.c \
	%D%/crypto/key_recovery.c %D%/crypto/key_recovery.h \
	%D%/crypto/merkle.c %D%/crypto/merkle.h \
	%D%/crypto/password_crypto.c %D%/crypto/password_crypto.h \
	%D%/crypto/secure_memory.c %D%/crypto/secure_memory.h \
	%D%/crypto/x509.c %D%/crypto/x509.h \
	%D%/document/access.c %D%/document/access.h \
	%D%/document/audit.c %D%/document/audit.h \
	%D%/document/doc.c %D%/document/doc.h \
	%D%/document/doc_command.c \
	%D%/document/doc_config.c \
	%D%/document/doc_group.c \
	%D%/document/doc_image.c \
	%D%/document/doc_level.c \
	%D%/document/doc_policy.c \
	%D%/document/doc_read.c %D%/document/doc_read.h \
	%D%/document/doc_root.c \
	%D%/document/envelope.c %D%/document/envelope.h \
	%D%/document/receipt.c %D%/document/receipt.h \
	%D%/document/threshold.c %D%/document/threshold.h \
	%D%/document/trust.c %D%/document/trust.h \
	%D%/document/enroll_uri.c %D%/document/enroll_uri.h \
	%D%/document/xml.c %D%/document/xml.h \
	%D%/document/xsd.c %D%/document/xsd.h

# In the order a program links them; each takes the groups it needs.
LIBCELLS = lib/libcells.a
CRYPTO_LIBS = $(MBEDTLS_LIBS)
BASE_LIBS = $(LIBCELLS) $(JANSSON_LIBS) $(CRYPTO_LIBS)

# The assembler reads them, so no depfile names them.
lib/document/libcells_a-xsd.$(OBJEXT): $(XSDS)
