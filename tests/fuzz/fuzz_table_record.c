/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* First byte: the kind.  What is decoded must encode, and that decode to the same. */
#include <errno.h>

#include "table_again.h"

#include "control/table/cert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tbl_record first, second;
	uint8_t buf[TBL_RECORD_MAX], *copy;
	const char *why = NULL;
	int n, err;

	if (!size || size > 2 * TBL_RECORD_MAX)
		return 0;
	copy = malloc(size);
	REQUIRE(copy);
	memcpy(copy, data + 1, size - 1);
	memset(&first, 0x11, sizeof(first));
	if (data[0] == TBL_CERT) {
		static const uint8_t ca[TBL_KEY_LEN] = { 1 };
		struct tbl_cert cert;

		REQUIRE(tbl_cert_read(&cert, "label", ca, copy, size - 1) < 0);
	}
	if (data[0] == TBL_SEAL) {
		uint64_t at;

		tbl_seal_read(&at, copy, size - 1);
	}
	err = tbl_record_decode(&first, data[0], data[0] == TBL_NODE ? 0 : 7, copy, size - 1, &why);
	free(copy);
	if (err) {
		REQUIRE(err < 0 && (err == -EOPNOTSUPP) == !why);
		return 0;
	}
	n = tbl_record_encode(&first, buf, sizeof(buf));
	REQUIRE(n > 0);
	memset(&second, 0x22, sizeof(second));
	REQUIRE(!tbl_record_decode(&second, first.kind, first.id, buf, (size_t)n, NULL));
	REQUIRE(!memcmp(&first, &second, sizeof(first)));
	return 0;
}
