# SPDX-License-Identifier: Apache-2.0
# What several programs need; no daemon's logic.
noinst_LIBRARIES += %D%/libcells.a
%C%_libcells_a_CFLAGS = $(AM_CFLAGS) $(LWS_CFLAGS) $(SQLITE_CFLAGS) \
	$(SYSTEMD_CFLAGS) $(XML_CFLAGS) $(ZSTD_CFLAGS)
%C%_libcells_a_SOURCES = \
	%D%/access.c %D%/access.h \
	%D%/architecture.c %D%/architecture.h \
	%D%/admin_config.c %D%/admin_config.h \
	%D%/audit.c %D%/audit.h \
	%D%/auto.h \
	%D%/ecies.c %D%/ecies.h \
	%D%/bus.c %D%/bus.h \
	%D%/chunk.c %D%/chunk.h \
	%D%/class.c %D%/class.h \
	%D%/clock.c %D%/clock.h \
	%D%/config.c %D%/config.h \
	%D%/pagination.c %D%/pagination.h \
	%D%/db.c %D%/db.h \
	%D%/doc.c %D%/doc.h \
	%D%/doc_command.c \
	%D%/doc_config.c \
	%D%/doc_group.c \
	%D%/doc_image.c \
	%D%/doc_policy.c \
	%D%/doc_read.c %D%/doc_read.h \
	%D%/doc_root.c \
	%D%/envelope.c %D%/envelope.h \
	%D%/err.c %D%/err.h \
	%D%/key_recovery.c %D%/key_recovery.h \
	%D%/hash.c %D%/hash.h \
	%D%/http.c %D%/http.h \
	%D%/io.c %D%/io.h \
	%D%/json.c %D%/json.h \
	%D%/key.c %D%/key.h \
	%D%/key_file.c \
	%D%/log.c %D%/log.h \
	%D%/lws_error.c %D%/lws_error.h \
	%D%/merkle.c %D%/merkle.h \
	%D%/opt.c %D%/opt.h \
	%D%/reason.c %D%/reason.h \
	%D%/receipt.c %D%/receipt.h \
	%D%/password_crypto.c %D%/password_crypto.h \
	%D%/secure_memory.c %D%/secure_memory.h \
	%D%/encoding.c %D%/encoding.h \
	%D%/trust.c %D%/trust.h \
	%D%/uri.c %D%/uri.h \
	%D%/x509.c %D%/x509.h \
	%D%/xml.c %D%/xml.h \
	%D%/xsd.c %D%/xsd.h

# In the order a program links them; each takes the groups it needs.
LIBCELLS = lib/libcells.a
CRYPTO_LIBS = $(MBEDTLS_LIBS)
BASE_LIBS = $(LIBCELLS) $(JANSSON_LIBS) $(CRYPTO_LIBS)

# The assembler reads them, so no depfile names them.
lib/libcells_a-xsd.$(OBJEXT): $(XSDS)
