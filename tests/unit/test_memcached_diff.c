// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is said when services change, and which exclude each other. */
#include <string.h>

#include <criterion/criterion.h>

#include "control/memcached/service.h"
#include "control/util.h"

#define BASE \
	"\"name\":\"web\",\"vip\":\"10.9.0.9:11211\",\"devices\":[\"eth0\"]," \
	"\"backends\":[\"10.0.0.1:11211\",\"10.0.0.2:11211\"]"

static struct mcs_service *service(const char *text)
{
	struct mcs_service *s = NULL;
	char err[PB_ERR_LEN] = "";
	size_t n = 0;

	cr_assert_eq(mcs_from_text(text, strlen(text), &s, 1, &n, err), 0, "%s", err);
	return s;
}

/* The lines, one behind the other. */
static void expect(const char *from, const char *to, const char *want)
{
	_cleanup_(mcs_freep) struct mcs_service *a = from ? service(from) : NULL;
	_cleanup_(mcs_freep) struct mcs_service *b = to ? service(to) : NULL;
	json_t *lines = json_array(), *v;
	char text[2048] = "";
	size_t i;

	mcs_diff(a, b, lines);
	json_array_foreach (lines, i, v) {
		strcat(text, json_string_value(v));
		strcat(text, "\n");
	}
	cr_expect_str_eq(text, want);
	json_decref(lines);
}

Test(memcached_diff, nothing)
{
	expect("{" BASE "}", "{" BASE ",\"failover\":\"on\",\"admit\":2}", "");
}

Test(memcached_diff, comes_and_goes)
{
	expect(NULL, "{" BASE ",\"cache\":\"2M\"}",
	       "+ memcached web vip 10.9.0.9:11211\n+ memcached web backends 10.0.0.1:11211\n"
	       "+ memcached web backends 10.0.0.2:11211\n+ memcached web devices eth0\n"
	       "+ memcached web cache 2M\n");
	expect("{" BASE "}", NULL,
	       "- memcached web vip 10.9.0.9:11211\n- memcached web backends 10.0.0.1:11211\n"
	       "- memcached web backends 10.0.0.2:11211\n- memcached web devices eth0\n");
}

Test(memcached_diff, values_and_lists)
{
	expect("{" BASE "}", "{" BASE ",\"cache\":\"2M\",\"admit\":9}",
	       "- memcached web cache auto\n+ memcached web cache 2M\n"
	       "- memcached web admit 2\n+ memcached web admit 9\n");
	expect("{" BASE "}",
	       "{\"name\":\"web\",\"vip\":\"10.9.0.9:11211\",\"devices\":[\"eth0\",\"eth1=tc\"],"
	       "\"backends\":[\"10.0.0.1:11211*2\",\"10.0.0.2:11211\"]}",
	       "- memcached web backends 10.0.0.1:11211\n"
	       "+ memcached web backends 10.0.0.1:11211*2\n+ memcached web devices eth1=tc\n");
}

Test(memcached_diff, clashes)
{
	_cleanup_(mcs_freep) struct mcs_service *a = service("{" BASE "}"),
						*b = service("{" BASE "}");

	cr_expect_str_eq(mcs_clash(a, b), "name");
	strcpy(b->name, "other");
	cr_expect_str_eq(mcs_clash(a, b), "vip");
	b->port = htons(11212);
	cr_expect_null(mcs_clash(a, b));
}
