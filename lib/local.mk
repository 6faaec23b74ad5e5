# SPDX-License-Identifier: Apache-2.0
# What several programs need; no daemon's logic.
noinst_LIBRARIES += %D%/libcells.a
%C%_libcells_a_CFLAGS = $(AM_CFLAGS) $(LWS_CFLAGS) $(SQLITE_CFLAGS) \
	$(SYSTEMD_CFLAGS) $(XML_CFLAGS) $(ZSTD_CFLAGS)
%C%_libcells_a_SOURCES = \
	%D%/access.c %D%/access.h \
	%D%/architecture.c %D%/architecture.h \
	%D%/adminconf.c %D%/adminconf.h \
	%D%/audit.c %D%/audit.h \
	%D%/auto.h \
	%D%/box.c %D%/box.h \
	%D%/bus.c %D%/bus.h \
	%D%/chunk.c %D%/chunk.h \
	%D%/class.c %D%/class.h \
	%D%/clock.c %D%/clock.h \
	%D%/conf.c %D%/conf.h \
	%D%/cursor.c %D%/cursor.h \
	%D%/db.c %D%/db.h \
	%D%/doc.c %D%/doc.h \
	%D%/doccommand.c \
	%D%/docconfig.c \
	%D%/docgroup.c \
	%D%/docimage.c \
	%D%/docpolicy.c \
	%D%/docread.c %D%/docread.h \
	%D%/docroot.c \
	%D%/envelope.c %D%/envelope.h \
	%D%/err.c %D%/err.h \
	%D%/escrow.c %D%/escrow.h \
	%D%/hash.c %D%/hash.h \
	%D%/http.c %D%/http.h \
	%D%/io.c %D%/io.h \
	%D%/json.c %D%/json.h \
	%D%/key.c %D%/key.h \
	%D%/keyfile.c \
	%D%/log.c %D%/log.h \
	%D%/lwswhy.c %D%/lwswhy.h \
	%D%/merkle.c %D%/merkle.h \
	%D%/opt.c %D%/opt.h \
	%D%/reason.c %D%/reason.h \
	%D%/receipt.c %D%/receipt.h \
	%D%/seal.c %D%/seal.h \
	%D%/secret.c %D%/secret.h \
	%D%/text.c %D%/text.h \
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
